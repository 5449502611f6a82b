"""What both group consumers do: claim messages for a member, fetch them, and wait where there are none."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from penstock.core.group_record import Claim
from penstock.core.id_ranges import Range
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.dataset import check_stream_name
from penstock.streams.group_bell import Bell
from penstock.streams.membership import Membership
from penstock.streams.more import Deadline, More
from penstock.streams.reading import ENDED, LATEST_NS, Time, arrived, check_id, ended, nanoseconds, nothing_yet
from penstock.streams.steps import Call, Steps
from penstock.streams.store import Store, StreamInfo

__all__ = ["GroupReading"]

LOOK_S: Final = 0.05
"""How long a member waits at most where nobody tells it what others have given back or done: at a server, on a network
file system, and beyond the watches that a user may have. New messages are pushed everywhere."""
NS_PER_S: Final = 1_000_000_000


class GroupReading:
    """One member's way through a stream; used by one thread at a time.

    Parameters
    ----------
    become
        Makes the member, when it is first needed; what claims are counted by is the monotonic clock.
    prefetch
        How many messages to claim at once.
    """

    def __init__(self, store: Store, address: StreamAddress, become: Callable[[], Membership], prefetch: int) -> None:
        check_stream_name(address)
        if prefetch < 1:
            raise StreamError(f"prefetch={prefetch}: a member must be given at least 1 message at once")
        self.address = address
        self.reader = store.read(address)
        self.attempt = 0
        """The how manieth time the latest message was handed out."""
        self._become = become
        self._prefetch = prefetch
        self._member: Membership | None = None
        self._bell: Bell | None = None
        self._has_bell = True  # until it turns out that there is none
        self._hand: deque[Message] = deque()  # of one claim, not returned yet
        self._hand_attempt = self._hand_epoch = 0
        self._epochs: dict[int, int] = {}  # of what was returned, and is neither acknowledged nor given back
        self._gaps: list[Range] = []

    @property
    def member(self) -> Membership:
        """The member; made now if it was not."""
        if self._member is None:
            self._member = self._become()
        return self._member

    def next(self, timeout_s: float | None, *, was_empty: bool = False) -> Steps[Message]:
        """Return a message that no other member has.

        Parameters
        ----------
        was_empty
            Whether there was none just now.

        Raises
        ------
        StreamEndedError
            If the stream has ended, and the group is done with all of it.
        NoDataError
            If there is none in time.
        """
        deadline = Deadline(timeout_s)
        info: StreamInfo | None = None
        is_told = False
        if was_empty:
            info = self.reader.info
            is_told = self._listens(until_done=info.state in ENDED)
        while True:
            message = self.in_hand()
            if message is not None:
                return message
            claim = yield Call(self._claim)
            if claim.ids:
                continue
            if info is not None:
                if claim.is_drained and info.state in ENDED:
                    raise ended(info)
                if deadline.is_over:
                    raise nothing_yet(self.reader.info)
                has_ended = info.state in ENDED
                rest_s = self._rest_s(claim, is_told=is_told, has_ended=has_ended)
                news = [] if has_ended else [(self.reader, arrived(info))]
                yield More(news, _least(deadline.left_s, rest_s), self._bell_fd())
            # Looked at only where there is nothing, as it costs as much as a claim; and then before the claim that
            # decides, so that nothing is overlooked that comes between.
            info = self.reader.info
            is_told = self._listens(until_done=info.state in ENDED)

    def claimed(self) -> Message | None:
        """Claim messages, and return the first; ``None`` if there are none now. It may take time, and waits for none.

        Raises
        ------
        StateError
            If this has left.
        """
        return self.in_hand() if self._claim().ids else None

    def in_hand(self) -> Message | None:
        """Return the next of what was claimed before; ``None`` if nothing is left of it."""
        if not self._hand:
            return None
        message = self._hand.popleft()
        self.attempt = self._hand_attempt
        self._epochs[message.id] = self._hand_epoch
        return message

    def batch(self, size: int, timeout_s: float | None) -> Steps[list[Message]]:
        """Return some messages: as many as are there now, but at least one."""
        if size < 1:
            raise StreamError(f"a batch of {size} messages is none")
        found = [(yield from self.next(timeout_s))]
        while len(found) < size and self._hand:
            found.append((yield from self.next(0)))
        return found

    def last(self, timeout_s: float | None) -> Steps[Message]:
        """Return the newest message if nobody in the group was given it so."""
        deadline = Deadline(timeout_s)
        while True:
            info = self.reader.info
            newest = yield Call(self.member.newest)
            message = self.reader.message(newest) if newest else None
            if message is not None:
                return message
            if info.state in ENDED:
                raise ended(info)
            if not (yield More([(self.reader, arrived(info))], deadline.left_s)):
                raise nothing_yet(self.reader.info)

    def ack(self, messages: tuple[Message | int, ...]) -> None:
        """Say that messages are done."""
        if len(messages) == 1:  # as most say it
            number = _id(messages[0])
            self.member.acknowledge(number, epoch=self._epochs.pop(number, None))
            return
        epochs: dict[int | None, list[int]] = {}
        for number in map(_id, messages):
            epochs.setdefault(self._epochs.pop(number, None), []).append(number)
        for epoch, ids in epochs.items():
            self.member.acknowledge(*ids, epoch=epoch)

    def nack(self, messages: tuple[Message | int, ...], delay_s: float, reason: str) -> int:
        """Give messages back that failed."""
        ids = [_id(message) for message in messages]
        for number in ids:
            self._epochs.pop(number, None)
        return self.member.refuse(*ids, delay_s=delay_s, reason=reason)

    def seek(self, message_id: int) -> None:
        """Let the group go on behind an id; what this member was given and has not returned yet comes again."""
        self.member.seek(message_id)
        self._hand.clear()

    def seek_time(self, at: Time) -> None:
        """Let the group go on with the first id that is not earlier; behind all if there is none."""
        found = [int(stored.block.ids.min()) for stored in self.reader.between(nanoseconds(at), LATEST_NS)]
        self.seek(min(found) - 1 if found else self.reader.info.last_id)

    def take_gaps(self) -> list[Range]:
        """Return, once, the missing ids that were passed over for this member."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def leave(self) -> None:
        """Write what was acknowledged, and give the rest back."""
        self._hand.clear()
        try:
            if self._member is not None:
                self._member.leave()
        finally:
            if self._bell is not None:
                self._bell.close()
                self._bell = None
            self.reader.close()

    def _listens(self, *, until_done: bool) -> bool:
        """Begin to listen to what others give back and have done; return whether that will be told."""
        if self._bell is None and self._has_bell:
            self._bell = self.member.bell()
            self._has_bell = self._bell is not None
        return self._bell is not None and self._bell.listen(until_done=until_done)

    def _bell_fd(self) -> int | None:
        return None if self._bell is None else self._bell.fileno()

    @staticmethod
    def _rest_s(claim: Claim, *, is_told: bool, has_ended: bool) -> float | None:
        """Return for how long nothing can come that nobody tells; ``None`` for ever."""
        if not is_told:
            return LOOK_S if has_ended or claim.look_again_ns is not None else None
        return None if claim.look_again_ns is None else max(claim.look_again_ns - time.monotonic_ns(), 0) / NS_PER_S

    def _claim(self) -> Claim:
        claim = self.member.claim(self._prefetch)
        self._gaps += claim.gaps
        if claim.ids:
            self._hand_attempt, self._hand_epoch = claim.attempt, claim.epoch
            for first, last in claim.ids:
                self._fetch(first, last)
        return claim

    def _fetch(self, first: int, last: int) -> None:
        if first == last:
            message = self.reader.message(first)
            found = [] if message is None else [message]
        else:
            found = [message for stored in self.reader.get(first, last) for message in stored.messages()]
        self._hand.extend(found)
        if len(found) == last - first + 1:
            return
        at = first
        for message in found:
            self._give_back_gone(at, message.id - 1)
            at = message.id + 1
        self._give_back_gone(at, last)

    def _give_back_gone(self, first: int, last: int) -> None:
        """Give back what was removed since it was claimed, so that the group learns of it."""
        if first <= last:
            self.member.refuse(*range(first, last + 1), reason="it was removed")


def _least(one: float | None, other: float | None) -> float:
    """Return the shorter time; ``None`` is for ever, and so much that it makes no difference if both are."""
    return min(1e6 if one is None else one, 1e6 if other is None else other)


def _id(message: Message | int) -> int:
    return check_id(message.id if isinstance(message, Message) else message)
