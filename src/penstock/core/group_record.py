"""What is known of a group: its rules, who holds what until when, what waits, what is dead. Values; no behaviour.

All of it but ``taken`` is small, whatever the length of the stream, and travels as MessagePack.
"""

from typing import Literal

import msgspec

from penstock.core.id_ranges import Range

__all__ = [
    "Claim",
    "DeadLetter",
    "GroupLease",
    "GroupMember",
    "GroupRecord",
    "GroupReport",
    "GroupRules",
    "GroupSnapshot",
    "Look",
    "MemberSnapshot",
    "Order",
    "Waiting",
]

Order = Literal["arrival", "id"]
"""``arrival``: what is there is handed out, small ids first, and nothing waits for an id that is not there. ``id``:
strictly ascending; a missing id holds back those behind it for a while."""


class GroupRules(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What all members of a group agree on."""

    attempts: int = 0
    """How often a message is handed out at most, the first time included; then it is dead. 0: without limit."""
    order: Order = "arrival"
    gap_wait_ns: int = 0
    """With ``order="id"``: how long a missing id holds back those behind it, from when a member first met a gap."""


class GroupLease(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """Messages that one member has, until a deadline."""

    number: int
    """Of the lease, from 1; never used twice in a group."""
    member: str
    left: list[Range]
    """Those that are not acknowledged yet."""
    attempt: int
    """The how manieth time they are handed out, from 1."""
    deadline_ns: int
    epoch: int
    """How many times somebody had sought in the group before."""


class Waiting(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """Messages that were handed out and have come back."""

    ids: list[Range]
    attempts: int
    """How often they were handed out so far."""
    due_ns: int
    """Not before this."""
    reason: str
    """Why they came back."""


class DeadLetter(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """Messages that are handed out no more, although nobody acknowledged them."""

    ids: list[Range]
    attempts: int
    reason: str
    """Why the last attempt failed, or that they are no longer there."""


class GroupMember(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """Somebody who reads in the group."""

    seen_ns: int
    """When it last asked for something or said that it lives."""
    lease_ns: int


class Look(msgspec.Struct, array_like=True, gc=False):
    """How far the stream went when somebody met a gap: from then on the ids that were missing are waited for."""

    begun_ns: int
    at_ns: int
    last_id: int


class GroupRecord(msgspec.Struct, kw_only=True, array_like=True):
    """Everything about a group but which ids it took."""

    version: int = 1
    rules: GroupRules = GroupRules()
    position: int = 0
    """The largest id that was handed out or passed over; smaller ones that come later are handed out all the same."""
    epoch: int = 0
    """How often somebody has sought."""
    last_acknowledged: int = 0
    """The largest id that was acknowledged; 0 for none."""
    last_shown: int = 0
    """The largest id that ``newest`` gave; 0 for none."""
    leases: list[GroupLease] = []
    next_lease: int = 1
    waiting: list[Waiting] = []
    dead: list[DeadLetter] = []
    members: dict[str, GroupMember] = {}
    looks: list[Look] = []
    waited_for: int = 0
    """Missing ids up to this hold nothing back any more."""
    seen_ns: int = 0
    """When somebody last had the group in hands; 0 for never."""
    complete_at: int = -1
    """How many messages were there when none below the position was unclaimed; -1: not known."""
    strays: int = 0
    """How many of the ids it took were not there then."""
    acknowledged: int = 0
    """How many messages were, since the group was made."""
    handed_out: int = 0
    """How often a message was handed out, since the group was made."""
    redelivered: int = 0
    """How often of these after an attempt that failed."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a member gets when it asks for messages."""

    ids: list[Range] = []
    """Those that it has now; empty if there are none for it."""
    attempt: int = 0
    """The how manieth time they are handed out, from 1."""
    lease: int = 0
    """Its number."""
    epoch: int = 0
    """The group's, by which acknowledgements of before a seek are told apart."""
    gaps: list[Range] = []
    """Missing ids that were passed over just now; told once, to one member. What of them comes later is handed out."""
    last_id: int = 0
    """The largest id there is."""
    look_again_ns: int | None = None
    """When there may be something without anything new in the stream: a deadline, a delay or a wait for a gap ends;
    ``None`` if there is nothing of the kind."""
    is_drained: bool = False
    """Whether everything that is there is acknowledged or dead: if the stream has ended, this is the end."""


class MemberSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How a member of a group is doing."""

    name: str
    in_flight: int
    """Messages it holds."""
    deadline_ns: int
    """When the first of its leases ends; 0 if it has none."""
    seen_ns: int


class GroupSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How a group is doing; each message of the stream is in exactly one of the first five."""

    unclaimed: int
    """Messages that are there and were never handed out."""
    in_flight: int
    """Handed out, neither acknowledged nor come back."""
    waiting: int
    """Come back, to be handed out again."""
    settled: int
    """Acknowledged, or passed over by a seek."""
    dead: int
    position: int
    last_acknowledged: int
    """The largest id that was; 0 for none."""
    acknowledged: int
    """How many were, since the group was made; a message that was acknowledged again after a seek counts again."""
    handed_out: int
    redelivered: int
    members: list[MemberSnapshot]

    @property
    def lag(self) -> int:
        """How many messages are still to be acknowledged."""
        return self.unclaimed + self.in_flight + self.waiting


class GroupReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that somebody can be told of a group who is no member of it."""

    snapshot: GroupSnapshot
    """As the group was last written: what a member has that was not heard of in time is in flight until another
    member asks for messages."""
    rules: GroupRules
    dead: list[DeadLetter]
    unacknowledged: list[Range]
    """What is there and not done, the dead included."""
    read_ns: int
    """When this was so, by the clock of ``seen_ns`` and ``deadline_ns`` of the members."""
