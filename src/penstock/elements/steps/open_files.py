"""File names that arrive as items, each file opened into many items."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.elements.file_items import BadFiles, FileItems, FileOptions
from penstock.elements.losses import Losses
from penstock.elements.wants_settled import WantsSettled
from penstock.errors import UserCodeError
from penstock.monitor.report import FilesReport

__all__ = ["OpenFiles"]


class OpenFiles(WantsSettled):
    r"""Open the file that each item names, and give its items: the names may come over ZeroMQ, from Kafka, as lines.

    An item is a path, as text or ``Path``, or a mapping with ``path``; a relative one is from the pipeline's folder.
    State file, failures and what is given again are as of the source ``files``. When a run begins, files that an
    earlier one has begun and not done are given first, as nobody may send their names again.

    ::

        stages:
          shots: {from: names, steps: [{open-files: {open: "mycode:read_file", state: "{name}.files.jsonl"}}]}

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    ...     _ = file.write("one\ntwo\n")
    ...     file.flush()
    ...     list(OpenFiles()([{"path": file.name}]))
    ['one', 'two']

    Parameters
    ----------
    open
        ``module:function`` that gets the ``Path`` of a file and returns a list or a generator of its items, or
        ``(items, number of items)``. By default the lines of a text in UTF-8.
    state
        The state file, JSON lines; it may contain ``{name}`` of the pipeline. By default nothing is kept.
    checksum
        Such as ``sha256``: kept for each file.
    bad_files
        What follows when a file cannot be opened or breaks off: ``skip`` goes on with the next, ``fail`` fails on it.
    attempts
        How often a file that fails is tried at most.
    name_as
        A key under which each item that is a mapping says of which file it is. By default none.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    folder: str = "."
    """Where relative paths start; given by whoever runs it."""

    def __init__(
        self,
        open: str | Callable[[Path], Any] = "",  # noqa: A002 - the word of the pipeline file
        state: str = "",
        checksum: str = "",
        bad_files: BadFiles = "skip",
        attempts: int = 3,
        name_as: str = "",
    ) -> None:
        options = FileOptions(
            open=open, state=state, checksum=checksum, bad_files=bad_files, attempts=attempts, name_as=name_as
        )
        options.check()
        self._has_state = bool(state)
        self._items = FileItems(options, "open-files")
        self._is_open = False

    def __call__(self, upstream: Iterable[Any]) -> Iterator[Any]:
        """Yield the items of the files.

        Raises
        ------
        SourceError
            If the state file cannot be used, or a file fails and ``bad_files`` is ``fail``.
        TypeError
            If an item names no file.
        UserCodeError
            If there is a state file and nobody would say what has ended.
        """
        if self._has_state and self.run is None:
            raise UserCodeError("open-files keeps a state file on the engine chains only; leave state out", stage="")
        if not self._is_open:  # also after an error, when it is made anew
            self._is_open = True
            self._items.open(self.folder, self.run)
            for path in self._items.unfinished():
                for items in self._items.of(path):
                    yield from items
        for item in upstream:
            for items in self._items.of(self._path_in(item)):
                yield from items

    def _path_in(self, item: Any) -> str:
        named = item.get("path") if isinstance(item, Mapping) else item
        if isinstance(named, bytes):
            named = named.decode(errors="surrogateescape")
        if not isinstance(named, str | Path) or not str(named).strip():
            raise TypeError(f"{named!r} names no file; send a path as text, or a mapping with path")
        return str(Path(self.folder, Path(str(named).strip()).expanduser()).absolute())

    @property
    def losses(self) -> Losses:
        """Files that failed, for whoever keeps the books."""
        return self._items.losses

    def settled(self, count: int) -> None:
        """Note what has ended; see the base."""
        self._items.settled(count)

    def leave(self) -> None:
        """Let go of the state file."""
        self._items.leave()

    def files(self) -> FilesReport:
        """Return how far it is."""
        return self._items.report()
