"""Views that have changed and were not told of: told together, and not too often."""

from collections.abc import Sequence
from typing import Final

from penstock.wire.supervision import Changed

__all__ = ["CHANGED_NS", "ChangedViews"]

CHANGED_NS: Final = 50_000_000
"""How often at most it is told that views have changed."""


class ChangedViews:
    """The last version of the views of each reduce stage, until somebody takes it from here."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._told_ns = 0

    def note(self, stage: str, version: int) -> None:
        """Learn that the views of a stage have changed."""
        self._versions[stage] = version

    @property
    def due_ns(self) -> int | None:
        """When there is something to tell; ``None``: nothing has changed."""
        return self._told_ns + CHANGED_NS if self._versions else None

    def take_due(self, now: int) -> Sequence[Changed]:
        """Return what is to be told now, if it is time for that."""
        return self.take(now) if self._versions and now - self._told_ns >= CHANGED_NS else ()

    def take(self, now: int) -> Sequence[Changed]:
        """Return what is to be told, once, though it may be early."""
        versions, self._versions = self._versions, {}
        self._told_ns = now
        return [Changed(stage, version) for stage, version in versions.items()]
