"""Which files of a folder are meant: patterns for those that are, ignore rules for those that are not.

A pattern without ``/`` is about names, wherever they are; one with ``/`` is about the whole path below the watched
folder, where ``**`` stands for any folders. An ignore rule that fits a folder leaves out all that is in it.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

__all__ = ["IGNORED", "FileChoice"]

IGNORED = (".*", "*~", "*.tmp", "*.part")
"""What programs call a file that is not for others: hidden, or not finished."""


class FileChoice:
    """Tells by its path below the watched folder whether a file is meant.

    Parameters
    ----------
    patterns
        One of them must fit; with none at all, every file is meant.
    ignore
        None of them may fit the file, or a folder above it.

    Examples
    --------
    >>> choice = FileChoice(["*.tif", "logs/**/*.txt"], ["dark"])
    >>> [choice.fits(path) for path in ("a.tif", "deep/er/b.tif", "dark/c.tif", "logs/d.txt", "d.txt")]
    [True, True, False, True, False]
    """

    def __init__(self, patterns: Sequence[str] = (), ignore: Sequence[str] = IGNORED) -> None:
        self._patterns = [_split(pattern) for pattern in patterns]
        self._ignore = [_split(pattern) for pattern in ignore]

    def fits(self, path: str) -> bool:
        """Whether a file is meant."""
        parts = path.split("/")
        if self._patterns and not any(_fits(parts, pattern) for pattern in self._patterns):
            return False
        return not self._is_ignored(parts)

    def passes_over(self, folder: str) -> bool:
        """Whether no file in a folder can be meant."""
        return self._is_ignored(folder.split("/"))

    def _is_ignored(self, parts: Sequence[str]) -> bool:
        return any(_fits(parts[:end], pattern) for end in range(1, len(parts) + 1) for pattern in self._ignore)


def _split(pattern: str) -> list[str]:
    """Return the parts of a pattern; one that is about names begins with ``**``."""
    return pattern.strip("/").split("/") if "/" in pattern.rstrip("/") else ["**", pattern.rstrip("/")]


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
