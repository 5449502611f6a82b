"""The folders that are watched, the files in them that are meant, and what their streams are called."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.file_choice import FileChoice
from penstock.streams.folder_sight import files_below
from penstock.streams.store import Store

__all__ = ["WatchedFolders", "check_beside"]


class WatchedFolders:
    """Folders, with all folders in them.

    Parameters
    ----------
    to
        A stream; or a source: then a file's stream is called as its folder, below the watched one, and that of files
        directly in the watched folder as that. ``None`` if nobody asks for streams.

    Raises
    ------
    StreamError
        If one is not there.
    """

    def __init__(self, folders: Sequence[Path], choice: FileChoice, to: StreamAddress | None = None) -> None:
        self.roots = [str(folder.resolve()) for folder in folders]
        """Their whole paths."""
        self._choice = choice
        self._to = to
        for root in self.roots:
            if not Path(root).is_dir():
                raise StreamError(f"{root}: no such folder; make it, or watch the one above it")

    def files(self, root: str) -> Iterator[str]:
        """Yield the files that are there and are meant."""
        return filter(self.means, files_below(root, self.passes_over, lambda _: None))

    def means(self, path: str) -> bool:
        """Whether a file is meant."""
        return self._choice.fits(self._below(path))

    def passes_over(self, folder: str) -> bool:
        """Whether no file in a folder is meant."""
        return self._choice.passes_over(self._below(folder))

    def stream_of(self, path: str) -> str:
        """Return what the stream of a file is called."""
        if self._to is not None and self._to.stream:
            return self._to.stream
        folder, _, _ = self._below(path).rpartition("/")
        return folder or Path(self._root_of(path)).name

    def _root_of(self, path: str) -> str:
        return next((root for root in self.roots if path.startswith(f"{root}/")), "")

    def _below(self, path: str) -> str:
        return path[len(self._root_of(path)) + 1 :]


def check_beside(roots: Sequence[str], store: Store, journal: Path | None) -> None:
    """Raise a ``StreamError`` if a watched folder lies in another, or what is written meanwhile lies in one."""
    kept = [store.path.resolve()] if isinstance(store, DirectoryStore) else []
    paths = [Path(root) for root in roots]
    for number, one in enumerate(paths):
        for other in [*paths[number + 1 :], *kept]:
            if one == other or one in other.parents or other in one.parents:
                raise StreamError(f"{one} and {other}: one lies in the other; watch folders beside each other")
        if journal is not None and one in journal.resolve().parents:
            raise StreamError(f"{journal}: the journal lies in a watched folder; put it elsewhere")
