"""Waits until files have not changed for so long. Knows no clock and no files: both come in as numbers."""

from typing import NamedTuple

__all__ = ["Settling", "Shape"]


class Shape(NamedTuple):
    """By what a change of a file is recognised; its content is not looked at."""

    size: int
    """Bytes."""
    mtime_ns: int
    """When it was last written, as its file system says."""


class Settling:
    """Files that may still be written.

    A file has settled when its shape was the same at two looks, at least ``stable_s`` apart. Trap: a program that
    pauses longer than that while it writes cannot be told from one that has finished.
    """

    def __init__(self, stable_s: float) -> None:
        self._stable_s = stable_s
        self._waiting: dict[str, tuple[Shape, float]] = {}  # since when it is so; those that are due first come first

    def __len__(self) -> int:
        return len(self._waiting)

    def look(self, path: str, shape: Shape, now_s: float) -> bool:
        """Say how a file is now; return whether it has settled, which ends its waiting."""
        before = self._waiting.get(path)
        if before is not None and before[0] == shape:
            if now_s - before[1] < self._stable_s:
                return False
            del self._waiting[path]
            return True
        self._waiting.pop(path, None)  # so that it comes last
        self._waiting[path] = shape, now_s
        return False

    def forget(self, path: str) -> None:
        """Wait for a file no longer."""
        self._waiting.pop(path, None)

    def due(self, now_s: float) -> list[str]:
        """Return those that must be looked at now."""
        found = []
        for path, (_, since) in self._waiting.items():
            if now_s - since < self._stable_s:
                break
            found.append(path)
        return found

    def next_s(self, now_s: float) -> float | None:
        """Return in how many seconds somebody must look; ``None`` for never."""
        for _, since in self._waiting.values():
            return max(self._stable_s - (now_s - since), 0.0)
        return None
