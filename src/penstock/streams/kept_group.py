"""Where the state of a group is kept: all that a member needs to know of it."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from penstock.core.group import GroupState
from penstock.streams.group_bell import Bell

__all__ = ["KeptGroup"]


class KeptGroup(ABC):
    """One group, as one of its members reaches it."""

    @abstractmethod
    def change(self) -> AbstractContextManager[GroupState]:
        """Hold the group while its state is read and changed; nobody else does meanwhile.

        What was changed is kept when the block ends. If it raises, what was changed before may be kept or not.
        """

    @abstractmethod
    def look(self) -> AbstractContextManager[GroupState | None]:
        """Hold the group while its state is read, which must not be changed; ``None`` if there is no such group."""

    @abstractmethod
    def ring(self, *, is_done: bool) -> None:
        """Wake members that wait: something was given back, or nobody has anything any more. It must be held."""

    @abstractmethod
    def bell(self) -> Bell | None:
        """Return what wakes; whose it is closes it. ``None`` where nobody can be told."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""
