"""What was answered to which command, so that the same one again is answered alike and does nothing twice."""

from collections import OrderedDict
from typing import Final

from penstock.core.command import Command, Problem, Reply
from penstock.errors import CommandError

__all__ = ["KEPT_S", "MOST_KEPT", "Answered"]

MOST_KEPT: Final = 10_000
KEPT_S: Final = 3600.0


class Answered:
    """The last replies, by who commanded and by id; bounded in number and in age.

    Parameters
    ----------
    most
        How many are kept; the oldest go first.
    kept_s
        For how long, in s.
    """

    def __init__(self, most: int = MOST_KEPT, kept_s: float = KEPT_S) -> None:
        self._most, self._kept_s = most, kept_s
        self._replies: OrderedDict[tuple[str, str], tuple[float, Command, Reply]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._replies)

    def find(self, command: Command, now_s: float) -> Reply | None:
        """Return what was answered to this command before, if it was.

        Raises
        ------
        CommandError
            If its id was that of another command.
        """
        self._forget(now_s)
        found = self._replies.get((command.who, command.id))
        if found is None:
            return None
        must_be_same(found[1], command)
        return found[2]

    def keep(self, command: Command, reply: Reply, now_s: float) -> None:
        """Remember a reply."""
        self._replies[command.who, command.id] = now_s, command, reply
        self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        while self._replies:
            since_s = next(iter(self._replies.values()))[0]
            if len(self._replies) <= self._most and now_s - since_s <= self._kept_s:
                return
            self._replies.popitem(last=False)


def must_be_same(earlier: Command, command: Command) -> None:
    """Refuse a command that has the id of another one.

    Raises
    ------
    CommandError
        If they are not the same.
    """
    if earlier != command:
        what = f"{earlier.name} {earlier.target}".strip()
        raise CommandError(
            f"the id {command.id} was that of another command ({what}); give each command an id of its own",
            problem=Problem.ARGUMENT,
        )
