"""What a member of a group can do, and what a store of level GROUPS adds to a store."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar, Self

from penstock.core.group_record import Claim, DeadLetter, GroupReport, GroupSnapshot, Order
from penstock.core.id_ranges import Range
from penstock.core.stream_address import StreamAddress
from penstock.streams.group_bell import Bell
from penstock.streams.store import Level, Store

__all__ = ["GroupStore", "Membership"]


class Membership(ABC):
    """One member of a group, from ``GroupStore.group`` to ``leave``; a context manager. Used from any thread.

    At least once: what a member claimed and did not acknowledge is handed out again when it has left, refused it, or
    was not heard of for ``lease_s``. A member that was killed loses nothing.
    """

    @property
    @abstractmethod
    def member(self) -> str:
        """Its name."""

    @abstractmethod
    def claim(self, size: int = 256) -> Claim:
        """Get messages that no other member has, if there are any; never waits for some to come.

        What was acknowledged before is written in the same transaction.

        Parameters
        ----------
        size
            How many at most. With 1 a member that is killed has one message handed out again, at the price of a
            transaction for each.

        Raises
        ------
        StateError
            If it has left.
        StoreFullError
            If it cannot be written down; then nothing was claimed.
        """

    @abstractmethod
    def acknowledge(self, *ids: int, epoch: int | None = None) -> None:
        """Say that messages are done, also such as others have by now, or nobody was ever given.

        Written within ``flush_s``; with 0 when it returns. Once more is told by ``flush`` and does nothing.

        Parameters
        ----------
        epoch
            ``Claim.epoch`` of the claim that gave them: then a seek in between is not undone by it.

        Raises
        ------
        StateError
            If it has left.
        StoreFullError
            If it, or what was acknowledged before, could not be written down; it is tried again with the next call.
        """

    @abstractmethod
    def flush(self) -> list[Range]:
        """Write what was acknowledged; return what of all since the last call had been acknowledged before."""

    @abstractmethod
    def refuse(self, *ids: int, delay_s: float = 0, reason: str = "") -> int:
        """Give messages back that failed, to be handed out again after a delay; written when it returns.

        Returns
        -------
        int
            How many of them it had.
        """

    @abstractmethod
    def renew(self) -> None:
        """Say that it lives; done in the background as long as the process does."""

    @abstractmethod
    def newest(self) -> int:
        """Return the id of the newest message if nobody in the group was shown it so, else 0.

        Independent of what is claimed; nothing is to be acknowledged.
        """

    @abstractmethod
    def seek(self, message_id: int) -> None:
        """Let the whole group go on behind an id; 0: from the start.

        All behind it is handed out again; what up to it was never handed out is passed over.
        """

    @abstractmethod
    def revive(self) -> int:
        """Hand out all dead letters again; return how many."""

    @abstractmethod
    def dead(self) -> list[DeadLetter]:
        """List what is handed out no more."""

    @abstractmethod
    def unacknowledged(self, first_id: int = 0, last_id: int = 0) -> list[Range]:
        """Return which messages that are there are not done; 0: no limit.

        Raises
        ------
        StreamError
            If the last id is smaller than the first.
        """

    @abstractmethod
    def snapshot(self) -> GroupSnapshot:
        """Return how the group is doing."""

    def bell(self) -> Bell | None:
        """Return what wakes this member when it has nothing to do; the caller closes it. ``None`` if nobody tells."""
        return None

    @abstractmethod
    def leave(self) -> None:
        """Write what was acknowledged and give the rest back at once, as if it had not been handed out. Twice: nothing.

        What it has begun and failed at should be refused before.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class GroupStore(Store):
    """A store with groups."""

    level: ClassVar[Level] = Level.GROUPS

    @abstractmethod
    def group(
        self,
        address: StreamAddress,
        name: str,
        *,
        member: str = "",
        lease_s: float = 30,
        attempts: int = 0,
        order: Order = "arrival",
        gap_wait_s: float = 0,
        flush_s: float = 0.01,
        survives_power_loss: bool = False,
    ) -> Membership:
        """Become a member of a group, which is made if there is none.

        Parameters
        ----------
        name
            Of the group; any text.
        member
            What others see; made up if empty. Who comes by the name of another takes its place.
        lease_s
            For how long a member need not be heard of before what it has is given to others.
        attempts
            How often a message is handed out at most; then it is dead. 0: without limit.
        order
            Whether a missing id holds back those behind it, for ``gap_wait_s`` at most.
        flush_s
            How long an acknowledgement may wait to be written; 0: it is written before ``acknowledge`` returns.
        survives_power_loss
            Whether what was written survives one too. Else a loss of power costs the latest acknowledgements, whose
            messages are handed out again, and never a message.

        Raises
        ------
        ConflictError
            If members that are alive asked for other ``attempts``, ``order`` or ``gap_wait_s``.
        StreamError
            If the address is not that of a stream, or the name is empty.
        """

    @abstractmethod
    def groups(self, address: StreamAddress) -> Sequence[str]:
        """List the groups of a stream."""

    @abstractmethod
    def group_report(self, address: StreamAddress, name: str) -> GroupReport | None:
        """Return how a group is without becoming a member, which changes nothing in it; ``None`` if it is not there.

        Raises
        ------
        StreamError
            If the address is not that of a stream.
        """

    @abstractmethod
    def delete_group(self, address: StreamAddress, name: str) -> bool:
        """Forget a group; return whether it was there. A member that goes on makes it anew."""
