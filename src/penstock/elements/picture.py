"""Views drawn as one picture: maps with a colour bar, curves, one panel for each channel of a stack of maps.

It draws what is there; a missing value stays visibly missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.extra import extra
from penstock.views import ArrayView, Axis, array_of, walk
from penstock.views.places import edges_of, is_peaked, label_of, step_of

__all__ = ["MOST_PANELS", "Panel", "draw", "panels_of"]

MOST_PANELS = 36
"""More would be too small to read."""

MOST_IN_A_ROW = 3
"""So few panels stand side by side; more are about as many rows as columns."""

_MISSING = "#d9d9d9"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One map or curve of the picture."""

    title: str
    values: NDArray[Any]
    """(y, x) or (x,)"""
    axes: tuple[Axis, ...]
    """One for each dimension of ``values``."""
    unit: str = ""

    @property
    def missing(self) -> int:
        """How many values are not there."""
        return int(np.count_nonzero(~np.isfinite(self.values)))


def panels_of(tree: Mapping[str, Any]) -> Iterator[Panel]:
    """Yield a panel for each view that can be drawn.

    One dimension is a curve, two are a map (y, x), three are maps (y, x, channel). Numbers alone, text, and arrays of
    more dimensions have no panel.
    """
    for path, leaf in walk(tree):
        array = array_of(leaf, path)
        if array.dtype.kind not in "biuf" or not 1 <= array.ndim <= 3:
            continue
        view = leaf if isinstance(leaf, ArrayView) else None
        title = (view.title if view else "") or path
        unit = view.unit if view else ""
        axes = view.axes if view and view.axes else tuple(Axis("") for _ in range(array.ndim))
        if array.ndim < 3:
            yield Panel(title=title, values=array.astype(float), axes=axes, unit=unit)
            continue
        for channel in range(array.shape[2]):
            label = f"{title}, {_channel(axes[2], channel)}"
            yield Panel(title=label, values=array[:, :, channel].astype(float), axes=axes[:2], unit=unit)


def draw(panels: list[Panel], heading: str = "", dpi: int = 120) -> Any:  # matplotlib's Figure
    """Draw panels side by side and return the figure, to be saved with ``savefig``.

    A map whose values are never negative and reach above 100 times their median has a logarithmic scale of colours,
    and its colour bar says so.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure, shown = _figure(len(panels[:MOST_PANELS]), dpi), panels[:MOST_PANELS]
    columns = _columns(len(shown))
    rows = ceil(len(shown) / columns)
    for position, panel in enumerate(shown):
        axes = figure.add_subplot(rows, columns, position + 1)
        missing = f" ({panel.missing} missing)" if panel.missing else ""
        axes.set_title(panel.title + missing, fontsize="medium")
        if not panel.values.size:
            axes.text(0.5, 0.5, "nothing yet", ha="center", va="center", transform=axes.transAxes)
        elif panel.values.ndim == 1:
            _draw_curve(axes, panel)
        else:
            _draw_map(figure, axes, panel)
    left_out = len(panels) - len(shown)
    remark = f" (the first {len(shown)} of {len(panels)} panels)" if left_out else ""
    figure.suptitle(heading + remark, fontsize="large")
    return figure


def _figure(count: int, dpi: int) -> Any:
    with extra("png"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure  # 150 ms; without pyplot, which keeps figures and picks a screen
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    apart = ConstrainedLayoutEngine(wspace=0.06)  # or a colour bar's label touches the next panel
    columns = max(1, _columns(count))
    figure = Figure(figsize=(4.4 * columns + 0.4, 3.6 * ceil(count / columns) + 0.5), dpi=dpi, layout=apart)
    FigureCanvasAgg(figure)
    return figure


def _columns(count: int) -> int:
    return count if count <= MOST_IN_A_ROW else ceil(sqrt(count))


def _draw_curve(axes: Any, panel: Panel) -> None:
    (axis,) = panel.axes
    positions = np.arange(len(panel.values)) if axis.values is None else axis.values
    few = len(panel.values) <= 50
    axes.plot(positions, panel.values, marker="o" if few else None, markersize=3, linewidth=1.2)
    axes.set_xlabel(label_of(axis))
    axes.xaxis.get_major_locator().set_params(integer=axis.values is None)
    axes.set_ylabel(panel.unit)
    axes.grid(alpha=0.3)
    axes.margins(x=0.02)


def _draw_map(figure: Any, axes: Any, panel: Panel) -> None:
    from matplotlib import colormaps

    colours = colormaps["viridis"].with_extremes(bad=_MISSING)
    values = np.ma.masked_invalid(panel.values)
    painted = {"cmap": colours, "norm": _scale(values)}
    y, x = panel.axes
    steps = [step_of(axis, length) for axis, length in zip(panel.axes, panel.values.shape, strict=True)]
    if all(steps):
        extent = (*edges_of(x, values.shape[1]), *edges_of(y, values.shape[0]))
        image = axes.imshow(values, origin="lower", extent=extent, aspect="auto", interpolation="nearest", **painted)
    else:  # imshow knows equal steps only
        centres = [
            np.arange(n) if a.values is None else a.values for a, n in ((x, values.shape[1]), (y, values.shape[0]))
        ]
        image = axes.pcolormesh(*centres, values, shading="nearest", **painted)
        axes.set_facecolor(_MISSING)
    if x.unit == y.unit and _is_squarish(axes):
        axes.set_aspect("equal")
    axes.set_xlabel(label_of(x))
    axes.set_ylabel(label_of(y))
    if values.count():
        _draw_bar(figure, axes, image, panel)


def _draw_bar(figure: Any, axes: Any, image: Any, panel: Panel) -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    beside = axes.inset_axes((1.03, 0, 0.05, 1))  # as high as the map is, whatever its shape
    if isinstance(image.norm, LogNorm):
        figure.colorbar(image, cax=beside, label=f"{panel.unit} (logarithmic)".strip())
        return
    is_whole = bool(np.all(panel.values[np.isfinite(panel.values)] % 1 == 0))
    figure.colorbar(image, cax=beside, label=panel.unit, ticks=MaxNLocator(6, integer=is_whole))


def _scale(values: Any) -> Any:  # a masked array; matplotlib's Normalize
    """Return how colours follow values: by their logarithm where a few bright spots would leave the rest dark."""
    from matplotlib.colors import LogNorm, Normalize

    known = values.compressed()
    return LogNorm(known[known > 0].min(), known.max(), clip=True) if is_peaked(known) else Normalize()


def _channel(axis: Axis, channel: int) -> str:
    name = axis.name or "channel"
    if axis.values is None:
        return f"{name} {channel}"
    value = axis.values[channel]
    text = f"{value:g}" if isinstance(value, np.number) else str(value)
    return f"{name} {text}{f' {axis.unit}' if axis.unit else ''}"


def _is_squarish(axes: Any) -> bool:
    width, height = abs(np.diff(axes.get_xlim())[0]), abs(np.diff(axes.get_ylim())[0])
    return bool(height and 1 / 4 < width / height < 4)
