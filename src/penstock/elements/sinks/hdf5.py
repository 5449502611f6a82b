"""Views as a plain HDF5 file: groups and datasets named as in the tree, units and axes as attributes.

It writes whole trees, never single items; raw data have a writer of their own.
"""

from collections.abc import Mapping
from typing import Any

from penstock.core.timestamp import Timestamp
from penstock.elements.hdf5_views import write_views
from penstock.elements.output_file import Existing, OutputFile
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import SinkError
from penstock.extra import extra

__all__ = ["Hdf5Sink"]


class Hdf5Sink(Sink):
    """Write views to ``path``; each write replaces what this run wrote before.

    The file appears under its name complete or not at all: it is written beside as ``….part`` and renamed.
    Root attributes say which pipeline, run and penstock it comes from, when the run started and how it ended.
    A dataset has ``units``, ``long_name`` and, where its view has axes, their names as ``axes``; the axes' values are
    datasets beside it.

    Parameters
    ----------
    path
        May hold ``{run}``, ``{name}``, ``{sink}``; relative to the pipeline's file.
    existing
        What becomes of a file that is there already: ``next`` takes the next free name (``map-2.h5``), ``refuse``
        does not start, ``replace`` writes it anew.
    """

    takes_only_views = True

    def __init__(self, path: str = "{run}.h5", existing: Existing = "next") -> None:
        self._template = path
        self._existing = existing
        self._written = False

    @property
    def path(self) -> str:
        """Where the file is, once opened."""
        return str(self._file.path)

    def open(self, run: RunFacts) -> None:
        """Claim the name and prove that the folder can be written."""
        with extra("run"):
            import h5py  # noqa: F401  # 100 ms: not while the first views are due

        self._run = run
        self._file = OutputFile(self._template, run, self._existing)

    def write(self, item: Any) -> None:  # a tree of views
        """Write the tree as it is now."""
        if not isinstance(item, Mapping):
            raise SinkError(
                f"{self._file.path}: {type(item).__name__} is no tree of views; "
                "put a reduce stage before the hdf5 sink, which publishes named views"
            )
        try:
            self._write_tree(item)
        except BaseException:
            self._file.discard()
            raise
        self._file.publish()
        self._written = True

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Write how the run ended, or remove what was claimed if nothing was written."""
        if not self._written:
            self._file.discard()
            return
        self._file.take_back()
        with self._file.writing():
            import h5py

            with h5py.File(self._file.part, "r+") as file:
                file.attrs["outcome"] = outcome or ("finished" if ended_well else "failed")
        self._file.publish()

    def _write_tree(self, tree: Mapping[str, Any]) -> None:
        import h5py

        with self._file.writing(), h5py.File(self._file.part, "w") as file:
            file.attrs.update(_facts(self._run))
            write_views(file, tree)


def _facts(run: RunFacts) -> dict[str, str]:
    facts = {"pipeline": run.pipeline, "run": run.run, "outcome": "running", "penstock_version": run.version}
    return facts | ({"started": run.started.isoformat()} if run.started != Timestamp(0) else {})
