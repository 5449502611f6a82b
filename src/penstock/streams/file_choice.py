"""Which files of a folder are meant: patterns for those that are, ignore rules for those that are not.

A pattern without ``/`` is about names, wherever they are; one with ``/`` is about the whole path below the watched
folder, where ``**`` stands for any folders. An ignore rule that fits a folder leaves out all that is in it.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase, translate
from typing import Final

__all__ = ["IGNORED", "FileChoice"]

IGNORED = (".*", "*~", "*.tmp", "*.part")
"""What programs call a file that is not for others: hidden, or not finished."""
NOTHING: Final = r"(?!)"
"""An expression that nothing fits."""


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
        self._means_all = not patterns
        self._names, self._paths = _split(patterns)
        self._ignored_names, self._ignored_paths = _split(ignore)

    def fits(self, path: str) -> bool:
        """Whether a file is meant."""
        parts = path.split("/")
        return self._is_meant(parts) and not self._is_ignored(parts)

    def passes_over(self, folder: str) -> bool:
        """Whether no file in a folder can be meant."""
        return self._is_ignored(folder.split("/"))

    def _is_meant(self, parts: Sequence[str]) -> bool:
        return (
            self._means_all
            or self._names.fullmatch(parts[-1]) is not None
            or any(_fits(parts, pattern) for pattern in self._paths)
        )

    def _is_ignored(self, parts: Sequence[str]) -> bool:
        return any(map(self._ignored_names.fullmatch, parts)) or any(
            _fits(parts[:end], pattern) for end in range(1, len(parts) + 1) for pattern in self._ignored_paths
        )


def _split(patterns: Sequence[str]) -> tuple[re.Pattern[str], list[list[str]]]:
    """Return one expression for all patterns that are about names, and the parts of each that is about paths."""
    names = [translate(pattern.rstrip("/")) for pattern in patterns if "/" not in pattern.rstrip("/")]
    paths = [pattern.strip("/").split("/") for pattern in patterns if "/" in pattern.rstrip("/")]
    return re.compile("|".join(names) or NOTHING), paths


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
