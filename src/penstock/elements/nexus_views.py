"""Views as a NeXus file, or in the NeXus file that another sink of the same run and path writes.

While the other sink writes, its file is closed to everybody else; views lie beside it then, complete whenever they can
be seen, and whoever of the two closes last puts them into the file.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from penstock.core.timestamp import Timestamp
from penstock.elements.hdf5_views import write_views
from penstock.elements.nexus_layout import ENTRY, begin_entry, end_entry, place_of_view, set_fields
from penstock.elements.output_file import Existing, OutputFile, expanded, numbered
from penstock.elements.sink import RunFacts
from penstock.extra import extra

__all__ = ["ViewsFile", "take_views_in"]

BESIDE: Final = ".views"
NOT_VIEWS: Final = ("penstock", "title", "start_time", "end_time", "program_name", "entry_identifier")
FILES_LOOKED_AT: Final = 1000


class ViewsFile:
    """The views of one sink.

    Parameters
    ----------
    template
        A path with ``{run}``, ``{name}``, ``{sink}``.
    run
        What fills it.
    existing
        What to do about a file that is there and of another run.
    title
        Of the entry.
    fields
        What users give beside the data.
    """

    def __init__(self, template: str, run: RunFacts, existing: Existing, title: str, fields: Mapping[str, Any]) -> None:
        with extra("run"):
            import h5py  # noqa: F401  # 100 ms: not while the first views are due

        self._run, self._title, self._fields = run, title, fields
        self._template, self._existing = template, existing
        self._wanted = Path(run.folder) / expanded(template, run)
        beside = f"{self._wanted.stem}.{run.sink}{BESIDE}{self._wanted.suffix}"
        self._file = OutputFile(str(Path(template).parent / beside), run, "replace")
        self._host: Path | None = None
        self._is_placed = self._is_written = False

    @property
    def path(self) -> Path:
        """Where the views are now, or will be."""
        return self._file.path if self._host is None else self._host

    def write(self, tree: Mapping[str, Any]) -> None:
        """Write the tree as it is now; until the end beside the file of another sink, if there is one."""
        import h5py

        try:
            with self._file.writing(), h5py.File(self._file.part, "w") as file:
                entry = begin_entry(file, self._run, self._title)
                file.attrs["sink"] = self._run.sink
                write_views(entry, tree, place_of_view)
                _name_groups(entry)
                set_fields(entry, self._fields)
        except BaseException:
            self._file.discard()
            raise
        if not self._is_placed:
            self._place()
        self._file.publish()
        self._is_written = True

    def close(self, outcome: str, trouble: str, ended: Timestamp, books: Mapping[str, Any]) -> None:
        """Write how the run ended; put the views into the file of another sink if that is closed."""
        if not self._is_written:
            self._file.discard()
            return
        import h5py

        self._file.take_back()
        with self._file.writing(), h5py.File(self._file.part, "r+") as file:
            end_entry(file, outcome, trouble, ended, books)
        self._file.publish()
        host = self._find_host()
        if host is None:
            return
        with self._file.writing():
            if take_views_in(host, self._run):
                self._host = host

    def _place(self) -> None:
        """Choose the name: the one that was asked for, unless another sink of this run writes a file of it."""
        self._is_placed = True
        if self._find_host() is not None:
            return
        beside = self._file.part
        self._file = OutputFile(self._template, self._run, self._existing)
        with self._file.writing():
            beside.replace(self._file.part)

    def _find_host(self) -> Path | None:
        for path, _ in zip(numbered(self._wanted), range(FILES_LOOKED_AT), strict=False):
            if not path.exists():
                return None
            if path != self._file.path and _is_host(path, self._run):
                return path
        return None


def take_views_in(host: Path, run: RunFacts) -> bool:
    """Put what sinks of views of the same run have left beside a file into it; return whether that can be done now.

    It cannot while the file is being written; its writer does so when it is closed.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    import h5py

    with _alone(host.parent):
        try:
            file = h5py.File(host, "r+", locking=False)
        except OSError:
            return False
        with file:
            if file.attrs.get("outcome") == "running":
                return False
            pattern = f"{host.stem}.*{BESIDE}{host.suffix}"
            wanted = [path for path in sorted(host.parent.iterdir()) if path.match(pattern)]
            done = [path for path in wanted if _take_in(file, path, run)]
        for path in done:
            path.unlink(missing_ok=True)
    return True


def _take_in(file: Any, path: Path, run: RunFacts) -> bool:
    """Copy the views of a file; of another run's nothing."""
    import h5py

    try:
        views = h5py.File(path, "r", locking=False)
    except OSError:
        return False  # not complete
    with views:
        if views.attrs.get("run") != run.run or views.attrs.get("outcome") == "running":
            return False
        entry, theirs = file[ENTRY], views[ENTRY]
        for name in theirs:
            if name in NOT_VIEWS or (name in entry and name not in theirs.attrs.get("views", ())):
                continue
            goal = f"{name}_{views.attrs['sink']}" if name in entry else name
            theirs.copy(name, entry, goal)
        entry.attrs.setdefault("default", theirs.attrs.get("default", ""))
    return True


def _is_host(path: Path, run: RunFacts) -> bool:
    import h5py

    with suppress(OSError), h5py.File(path, "r", libver="latest", swmr=True, locking=False) as file:
        attrs = file.attrs
        return attrs.get("run") == run.run and bool(attrs.get("is_growing", False))
    return False


def _name_groups(entry: Any) -> None:
    """Give every group of views a class, and the entry one to plot first."""
    names = [name for name in entry if name not in NOT_VIEWS]
    entry.attrs["views"] = names
    for name in names:
        group = entry[name]
        if not hasattr(group, "keys"):
            continue
        group.attrs.setdefault("NX_class", "NXcollection")
        own = [each for each in group if getattr(group[each], "ndim", 0) > 0]
        if "signal" not in group.attrs and own and own[0] == name:
            group.attrs.update({"NX_class": "NXdata", "signal": name, "axes": ["."] * group[name].ndim})
        if "signal" in group.attrs:
            entry.attrs.setdefault("default", name)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one to put files of a folder together, where the file system can lock."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
