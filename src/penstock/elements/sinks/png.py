"""Views as a picture, a PNG file that is complete whenever it is there."""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.elements.output_file import Existing, OutputFile
from penstock.elements.picture import Panel, draw, panels_of
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import SinkError
from penstock.extra import extra
from penstock.views import snapshot, walk

__all__ = ["PngSink"]


class PngSink(Sink):
    """Draw views to ``path``; each write replaces the picture this run drew before.

    Maps have a colour bar, axes and units, curves as well; of a view (y, x, channel) every channel is a panel.
    What is missing (NaN) is grey. Where a few bright spots would leave the rest dark (nothing is negative, and the
    largest value is above 100 times the median), colours follow the logarithm, and the colour bar says so.

    Parameters
    ----------
    path
        May hold ``{run}``, ``{name}``, ``{sink}``; relative to the pipeline's file.
    views
        Paths of the views to draw, such as ``map/counts``; by default all that can be drawn.
    existing
        What becomes of a file that is there already; as of the sink ``hdf5``.
    dpi
        Dots per inch; a panel is 4.4 by 3.6 inches.
    """

    takes_only_views = True

    def __init__(
        self, path: str = "{run}.png", views: Sequence[str] = (), existing: Existing = "next", dpi: int = 120
    ) -> None:
        self._template = path
        self._views = (views,) if isinstance(views, str) else tuple(views)
        self._existing = existing
        self._dpi = dpi
        self._drawn: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        """Where the file is, once opened."""
        return str(self._file.path)

    def open(self, run: RunFacts) -> None:
        """Claim the name and prove that the folder can be written.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        with extra("png"):
            import matplotlib.figure  # noqa: F401
        self._run = run
        self._file = OutputFile(self._template, run, self._existing)

    def write(self, item: Any) -> None:  # a tree of views
        """Draw the tree as it is now."""
        if not isinstance(item, Mapping):
            raise SinkError(
                f"{self._file.path}: {type(item).__name__} is no tree of views; "
                "put a reduce stage before the png sink, which publishes named views"
            )
        if not item:  # a run that ended before its first view has no picture
            return
        self._draw(item)
        self._drawn = snapshot(item)

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Write into the heading if the run did not end well; remove what was claimed if nothing was drawn."""
        if self._drawn is None:
            self._file.discard()
        elif not ended_well:
            self._draw(self._drawn, outcome or "failed")

    def _draw(self, tree: Mapping[str, Any], outcome: str = "") -> None:
        heading = " · ".join(filter(None, (self._run.pipeline, self._run.run, outcome)))
        figure = draw(self._panels(tree), heading, self._dpi)
        try:
            with self._file.writing():
                facts = {"Title": heading, "Software": f"penstock {self._run.version}".strip()}
                figure.savefig(self._file.part, format="png", metadata=facts)
        except BaseException:
            self._file.discard()
            raise
        self._file.publish()

    def _panels(self, tree: Mapping[str, Any]) -> list[Panel]:
        leaves = dict(walk(tree))
        for path in self._views:
            if path not in leaves:
                raise SinkError(f'{self._file.path}: no view "{path}"; there are {", ".join(leaves) or "none"}')
        chosen = {path: leaves[path] for path in self._views} or leaves
        panels = [panel for path, leaf in chosen.items() for panel in panels_of({path.rpartition("/")[2]: leaf})]
        if not panels:
            raise SinkError(
                f"{self._file.path}: nothing to draw in {', '.join(chosen) or 'no views'}; "
                "a picture needs an array of numbers of one, two or three dimensions"
            )
        return panels
