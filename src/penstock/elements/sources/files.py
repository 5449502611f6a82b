"""Files, each opened into many items: a list of them, or all that fit patterns."""

import glob
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from penstock.elements.file_items import BadFiles, FileItems, FileOptions
from penstock.elements.losses import Losses
from penstock.elements.wants_settled import WantsSettled
from penstock.monitor.report import FilesReport

__all__ = ["Files"]


class Files(WantsSettled):
    r"""Give the items of each file in turn, in the order of the list; of a pattern in that of the names.

    With a state file, what became of each file is kept: ``penstock files STATE`` shows it, and the next run goes on
    where this one ended. A file is done when all that came of its items has ended and is written; files that are done
    are passed over, those that were begun and are not done are given again, and those that have changed in size or
    time are new. So each item comes at least once, whoever is killed when.

    ::

        sources:
          shots: {use: files, paths: ["data/*.dat"], open: "mycode:read_file", state: "{name}.files.jsonl"}

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    ...     _ = file.write("one\ntwo\n")
    ...     file.flush()
    ...     [item for items in Files(file.name) for item in items]
    ['one', 'two']

    Parameters
    ----------
    paths
        A file, a pattern such as ``data/**/*.dat``, or a list of these; relative ones from the pipeline's folder.
    open
        ``module:function``, looked for beside the pipeline first, that gets the ``Path`` of a file and returns a list
        or a generator of its items, or ``(items, number of items)``. By default the lines of a text in UTF-8.
    state
        The state file, JSON lines; it may contain ``{name}`` of the pipeline. By default nothing is kept.
    checksum
        Such as ``sha256``: kept for each file. The file is read once more for it.
    bad_files
        What follows when a file cannot be opened or breaks off. It is failed, with the cause; then ``skip`` goes on
        with the next, and ``fail`` ends the run. Files that failed make a run incomplete.
    attempts
        How often a file that fails is tried at most, once in each run.
    name_as
        A key under which each item that is a mapping says of which file it is. By default none.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    in_chunks: ClassVar[bool] = True
    folder: str = "."
    """Where relative paths start; given by whoever runs it."""

    def __init__(
        self,
        paths: str | list[str],
        open: str | Callable[[Path], Any] = "",  # noqa: A002 - the word of the pipeline file
        state: str = "",
        checksum: str = "",
        bad_files: BadFiles = "skip",
        attempts: int = 3,
        name_as: str = "",
    ) -> None:
        self._paths = [paths] if isinstance(paths, str) else list(paths)
        if not all(self._paths):
            raise ValueError("a path is empty; name a file, or a pattern such as data/*.dat")
        options = FileOptions(
            open=open, state=state, checksum=checksum, bad_files=bad_files, attempts=attempts, name_as=name_as
        )
        options.check()
        self._items = FileItems(options, "files")

    def __iter__(self) -> Iterator[list[Any]]:
        """Read the files.

        Raises
        ------
        SourceError
            If the state file cannot be used, or a file fails and ``bad_files`` is ``fail``.
        """
        self._items.open(self.folder, self.run)
        found = self._found()
        self._items.expect(found)
        for path in found:
            yield from self._items.of(path)

    def _found(self) -> list[str]:
        """Return whole paths, each once."""
        found: dict[str, None] = {}
        for written in self._paths:
            whole = str(Path(self.folder, Path(written).expanduser()).absolute())
            if not glob.has_magic(whole) or Path(whole).exists():
                found[whole] = None
                continue
            names = glob.iglob(whole, recursive=True)  # noqa: PTH207 - Path.glob takes no whole paths
            found |= dict.fromkeys(sorted(name for name in names if Path(name).is_file()))
        return list(found)

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
