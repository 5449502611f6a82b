"""How the path of a file in a beamtime's folder tells its stream: by a pattern, without looking at any file.

A pattern is a path with names in it. ``{source}`` and ``{stream}`` stand for any text without a ``/``, ``{id}`` for the
number of a message, ``{id0}`` for one counted from 0; ``*`` for any text without a ``/``, ``**`` for any folders.
"""

import re
from typing import Final, NamedTuple

from penstock.errors import StreamError

__all__ = ["FileInTree", "TreeLayout", "natural"]

KINDS: Final = ("raw", "processed")
ROOT: Final = "."
"""The stream of files that lie in no folder, as no folder is called so."""
LARGEST_ID: Final = (1 << 64) - 1
_PIECES: Final = re.compile(r"(\*\*/?|\*|\{[^{}/]*\}|[{}])")
_NAMES: Final = {
    "{source}": r"(?P<source>[^/]+)",
    "{stream}": r"(?P<stream>[^/]+)",
    "{id}": r"(?P<id>[0-9]+)",
    "{id0}": r"(?P<id0>[0-9]+)",
    "*": r"[^/]*",
    "**": r".*",
    "**/": r"(?:[^/]+/)*",
}
_NUMBERS: Final = re.compile(r"([0-9]+)")


class FileInTree(NamedTuple):
    """What the path of a file tells."""

    source: str
    stream: str
    id: int | None = None
    """``None``: the next one."""


class TreeLayout:
    """Tells the stream of a file from its path below a beamtime's folder.

    Parameters
    ----------
    pattern
        It begins with ``raw/``, ``processed/`` or ``*/``; empty for the plain way: the source is ``raw`` or
        ``processed``, the stream the folder below that, ``.`` for none.
    source
        What the source is called, where the pattern does not say.

    Raises
    ------
    StreamError
        If the pattern is none.

    Examples
    --------
    >>> TreeLayout().place("raw/eiger/run 7/frame_1.cbf")
    FileInTree(source='raw', stream='eiger/run 7', id=None)
    >>> TreeLayout("raw/{source}/**/{stream}_{id}.cbf").place("raw/eiger/today/run7_00012.cbf")
    FileInTree(source='eiger', stream='run7', id=12)
    """

    def __init__(self, pattern: str = "", source: str = "") -> None:
        self._source = source
        self._pattern = _compiled(pattern) if pattern else None
        if self._pattern is not None and source and "source" in self._pattern.groupindex:
            raise StreamError(f"{pattern!r} says what the source is, and so does {source!r}; leave one out")

    @property
    def has_ids(self) -> bool:
        """Whether names of files say the ids of messages."""
        return self._pattern is not None and bool({"id", "id0"} & self._pattern.groupindex.keys())

    def place(self, path: str) -> FileInTree | None:
        """Return where a file belongs; ``None`` if the pattern does not fit it, or the id in its name can be none."""
        kind, _, rest = path.partition("/")
        if self._pattern is None:
            return FileInTree(self._source or kind, rest.rpartition("/")[0] or ROOT)
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        said = found.groupdict()
        number = int(said["id"]) if "id" in said else int(said["id0"]) + 1 if "id0" in said else None
        if number is not None and not 1 <= number <= LARGEST_ID:
            return None
        return FileInTree(said.get("source") or self._source or kind, said["stream"], number)


def natural(name: str) -> tuple[str | int, ...]:
    """Return a key by which ``run 9`` comes before ``run 10``.

    >>> sorted(["run 10", "run 9", "run"], key=natural)
    ['run', 'run 9', 'run 10']
    """
    pieces = _NUMBERS.split(name)
    return tuple(int(piece) if number % 2 else piece for number, piece in enumerate(pieces))


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern.partition("/")[0] not in (*KINDS, "*"):
        raise StreamError(f"{pattern!r} fits no file; begin it with raw/, processed/ or */")
    pieces = _PIECES.split(pattern)
    unknown = [piece for piece in pieces[1::2] if piece not in _NAMES]
    if unknown:
        raise StreamError(f"{pattern!r}: what is {unknown[0]!r}? there are {{source}}, {{stream}}, {{id}} and {{id0}}")
    names = [piece for piece in pieces[1::2] if piece.startswith("{")]
    if "{stream}" not in names:
        raise StreamError(f"{pattern!r} does not say what the stream is called; write {{stream}} in it")
    if len(set(names)) < len(names) or {"{id}", "{id0}"} <= set(names):
        raise StreamError(f"{pattern!r} says something twice")
    return re.compile("".join(_NAMES[p] if n % 2 else re.escape(p) for n, p in enumerate(pieces)), re.DOTALL)
