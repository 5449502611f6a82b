"""An HDF5 file that others read while it grows (SWMR), under its final name from the start.

While it grows its datasets only get longer. For anything new, a group or a dataset, it is closed and opened again,
which takes milliseconds; readers go on, and see what is new when they open it again. It knows nothing of what is in it.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from penstock.elements.hdf5_superblock import mark_closed
from penstock.elements.output_file import Existing, expanded, numbered, reason_of
from penstock.elements.sink import RunFacts
from penstock.errors import SinkError
from penstock.extra import extra

__all__ = ["FORMAT", "GrowingFile", "is_of_run"]

FORMAT: Final = ("v110", "v110")
"""The oldest that can be read while it is written."""
RESERVE_BYTES: Final = 1 << 20
"""Left on the disk for the end of the file."""


class GrowingFile:
    """One file of one run, claimed when it is made.

    Parameters
    ----------
    template
        A path with ``{run}``, ``{name}`` (of the pipeline) and ``{sink}``; relative to the pipeline's folder.
    run
        What fills the template. If the run goes on, its own file is written on.
    existing
        What to do about a file of this name.

    Raises
    ------
    SinkError
        If the folder cannot be written, or the file exists and may not.
    """

    def __init__(self, template: str, run: RunFacts, existing: Existing = "next") -> None:
        with extra("run"):
            import h5py

        self._h5py = h5py
        wanted = Path(run.folder) / expanded(template, run)
        self.goes_on = False
        self.path = wanted
        self._file: Any = None  # h5py has no types
        self._generation = 0
        with self.writing():
            wanted.parent.mkdir(parents=True, exist_ok=True)
            self._claim(wanted, run, existing)

    @property
    def generation(self) -> int:
        """How often it was opened; what was found in it is of one generation."""
        return self._generation

    @property
    def file(self) -> Any:
        """The open file."""
        assert self._file is not None, "it grows"
        return self._file

    @property
    def is_growing(self) -> bool:
        """Whether it can be written to."""
        return self._file is not None

    @contextmanager
    def change(self) -> Iterator[Any]:
        """Give the file for something new, and let it grow on afterwards."""
        with self.writing():
            self._close()
            file = self._open("r+")
            try:
                yield file
            except BaseException:
                file.close()
                raise
            file.swmr_mode = True
            self._file = file
            self._generation += 1

    @contextmanager
    def at_rest(self) -> Iterator[Any]:
        """Give the file for something new; it does not grow until it is changed again."""
        with self.writing():
            self._close()
            with self._open("r+") as file:
                yield file

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn whatever goes wrong with the file into a ``SinkError`` that names it."""
        try:
            yield
        except (OSError, RuntimeError) as error:  # h5py closes a file on a full disk with the latter
            raise SinkError(f"{self.path}: not written: {reason_of(error)}{self._rest()}") from error

    def want_room(self, nbytes: int) -> None:
        """Refuse what there is no room for before HDF5 finds out, which then could not even close the file.

        Raises
        ------
        SinkError
            If the disk is as good as full; the file is as it was, and there is room left to finish it.
        """
        found = os.statvfs(self.path.parent)
        if found.f_blocks and found.f_bavail * found.f_frsize < nbytes + RESERVE_BYTES:
            raise SinkError(f"{self.path}: not written: the disk is full{self._rest()}")

    def flush(self) -> None:
        """Let readers see everything, and let it outlive a kill of this process."""
        with self.writing():
            self.file.flush()

    def abandon(self) -> None:
        """Let go of a file that could not be written; what was flushed before can be read.

        HDF5 would go on to write what it has in memory, now and when the process ends, and leave the half of it: from
        here on it writes into nothing.
        """
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError, RuntimeError, ValueError), _large_files():
                _cut_off(file)
                file.close()
        with suppress(OSError):
            mark_closed(self.path)

    def discard(self) -> None:
        """Remove it, because nothing was written."""
        with suppress(OSError, RuntimeError):
            self._close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _claim(self, wanted: Path, run: RunFacts, existing: Existing) -> None:
        for path in numbered(wanted):
            self.path = path
            if path.is_dir():
                raise SinkError(f"{path} is a folder; name a file")
            if run.goes_on and path.exists() and is_of_run(path, run):
                mark_closed(path)
                self.goes_on = True
                return
            if path.exists() and existing == "replace":
                path.unlink()
            try:
                file = self._open("x")
            except OSError:
                if not path.exists():
                    raise
                if existing == "refuse":
                    text = f"{path} exists; move it, put {{run}} in its name, or say existing: next, or replace"
                    raise SinkError(text) from None
                continue
            file.attrs.update({"run": run.run, "pipeline": run.pipeline, "sink": run.sink})
            file.attrs.update({"outcome": "running", "is_growing": True})
            file.close()
            return
        raise SinkError(f"{wanted}: too many files of this name; put {{run}} in its name")  # pragma: no cover

    def _open(self, mode: str) -> Any:
        # Without a lock: an ordinary reader of the file, between two changes, must not hold the run up.
        return self._h5py.File(self.path, mode, libver=FORMAT, locking=False)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _rest(self) -> str:
        return "; what was written before can be read" if self._generation else ""


def _cut_off(file: Any) -> None:
    nothing = os.memfd_create("penstock-cut-off")
    os.dup2(nothing, file.id.get_vfd_handle())
    os.close(nothing)


@contextmanager
def _large_files() -> Iterator[None]:
    """Let files be as large as this process may let them be: what HDF5 cannot write it never lets go of."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def is_of_run(path: Path, run: RunFacts) -> bool:
    """Whether a file is what this run's sink has begun; one that cannot be read is not."""
    import h5py

    try:
        with h5py.File(path, "r", libver="latest", swmr=True, locking=False) as file:
            found = file.attrs.get("run"), file.attrs.get("sink")
    except (OSError, KeyError):
        return False
    return found == (run.run, run.sink)
