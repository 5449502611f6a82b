"""One view as a figure of matplotlib that is drawn again and again: only what has changed is made anew.

It is drawn by Agg without pyplot, so any thread may do it, and nothing of the user's figures is touched.
"""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.extra import extra
from penstock.notebook.about import About, Kind
from penstock.notebook.inbox import Part
from penstock.views import Axis
from penstock.views.places import edges_of, is_peaked, label_of, step_of

with extra("notebook"):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

__all__ = ["DPI", "SIZE", "Drawing"]

SIZE: Final = (5.6, 3.9)
"""In inches."""
DPI: Final = 96
FEW: Final = 50
"""Values of a curve that are shown as points, too."""
MOST_NAMES: Final = 24
"""Words along an axis."""
_MISSING: Final = "#d9d9d9"


class Drawing:
    """A curve, a histogram or an image, with axes and units.

    Parameters
    ----------
    about
        The view.
    kind
        One that is drawn.
    """

    def __init__(self, about: About, kind: Kind) -> None:
        self._about = about
        self._kind = kind
        self._form: Any = None
        """Of what is drawn now; another one is laid out anew."""
        self._artist: Any = None  # matplotlib's
        self.figure = Figure(figsize=SIZE, dpi=DPI)
        FigureCanvasAgg(self.figure)

    def show(self, part: Part, along: NDArray[Any] | None = None) -> None:
        """Show these elements from now on.

        Parameters
        ----------
        along
            (n,), of the first dimension, where another view says it; by default as the axes of the view have it.
        """
        array = np.asarray(part.array, float)
        if self._kind in (Kind.IMAGE, Kind.STACK):
            self._show_image(np.ma.masked_invalid(array), part)
        elif self._kind is Kind.HISTOGRAM and part.every == 1:
            self._show_bars(array)
        else:
            self._show_curve(array, part, along)

    def png(self) -> bytes:
        """Return the picture."""
        buffer = io.BytesIO()
        self.figure.canvas.print_png(buffer)  # type: ignore[attr-defined]  # FigureCanvasAgg's, set above
        return buffer.getvalue()

    def _show_bars(self, array: NDArray[Any]) -> None:
        axis = self._about.axis(0)
        first, last = edges_of(axis, len(array)) if step_of(axis, len(array)) else (-0.5, len(array) - 0.5)
        edges = np.linspace(first, last, len(array) + 1)
        if self._is_new(("bars", len(array))):
            axes = self._axes(axis, self._about.unit)
            self._artist = axes.stairs(array, edges, fill=True, alpha=0.8)
            if not step_of(axis, len(array)):
                _name_places(axes, axis, len(array))
        self._artist.set_data(array, edges)
        axes = self.figure.axes[0]
        low, high = _bounds(array, 0.0)
        axes.set_xlim(first, last)
        axes.set_ylim(min(low, 0.0), high)
        self._lay_out((low, high))

    def _show_curve(self, array: NDArray[Any], part: Part, along: NDArray[Any] | None) -> None:
        axis = _coarse(self._about.axis(0), len(array), part)
        values = along if along is not None else axis.values
        has_places = values is not None and np.asarray(values).dtype.kind in "biufM"
        places = np.asarray(values)[: len(array)] if has_places else np.arange(len(array)) * part.every
        is_dated = places.dtype.kind == "M"
        is_counted = not has_places or (along is None and self._about.axis(0).values is None)
        if self._is_new(("curve", len(array) <= FEW, is_dated)):
            axes = self._axes(axis, self._about.unit)
            marker = "o" if len(array) <= FEW else None
            (self._artist,) = axes.plot(places[:0], array[:0], marker=marker, markersize=3, linewidth=1.2)
            if is_counted:
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if values is not None and not has_places:
                _name_places(axes, axis, len(array))
        self._artist.set_data(places, array[: len(places)])
        axes = self.figure.axes[0]
        low, high = _bounds(array, 0.05)
        if len(places):
            margin = (places[-1] - places[0]) * 0.02
            ends = places.min() - abs(margin), places.max() + abs(margin)
            axes.set_xlim(*(ends if ends[0] < ends[1] else _around(ends[0])))
        axes.set_ylim(low, high)
        self._lay_out((low, high), len(places))

    def _show_image(self, values: Any, part: Part) -> None:  # a masked array (y, x)
        y, x = (_coarse(self._about.axis(k), values.shape[k], part) for k in (-2, -1))
        known = values.compressed()
        is_log = is_peaked(known)
        steps = [step_of(axis, length) for axis, length in zip((y, x), values.shape, strict=True)]
        if self._is_new(("image", values.shape, part.every, is_log)):
            axes = self._axes(x, label_of(y))
            axes.grid(visible=False)
            axes.set_facecolor(_MISSING)
            self._artist = _painted(axes, values, y, x, is_even=all(steps))
            if x.unit == y.unit and _is_squarish(axes):
                axes.set_aspect("equal")
            self._bar = axes.inset_axes((1.03, 0, 0.05, 1))
            self._artist.set_norm(LogNorm() if is_log else Normalize())
            label = f"{self._about.unit} (logarithmic)".strip() if is_log else self._about.unit
            self.figure.colorbar(self._artist, cax=self._bar, label=label)
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        low = float(known[known > 0].min()) if is_log else low
        self._artist.set_array(values) if not all(steps) else self._artist.set_data(values)
        self._artist.set_clim(low, high if high > low else low + 1)
        self._lay_out((low, high))

    def _axes(self, axis: Axis, upwards: str) -> Any:  # matplotlib's Axes
        self.figure.clear()
        axes = self.figure.add_subplot()
        axes.set_title(self._about.heading, fontsize="medium")
        axes.set_xlabel(label_of(axis))
        axes.set_ylabel(upwards)
        axes.grid(alpha=0.3)
        return axes

    def _is_new(self, form: tuple[Any, ...]) -> bool:
        """Whether what is to be drawn needs other axes than what is drawn."""
        is_new = self._form is None or self._form[0] != form
        if is_new:
            self._form = (form, None)
        return is_new

    def _lay_out(self, *figures: Any) -> None:
        """Give the labels their room, when they may have become longer: it takes as long as drawing."""
        size = tuple(int(np.log2(1 + abs(each))) for figure in figures for each in np.ravel(figure))
        form, laid_out = self._form
        if laid_out != size:
            self._form = (form, size)
            self.figure.set_layout_engine("constrained")
            for _ in range(2):  # the room for an aspect that is kept, with a bar beside it, is found the second time
                self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")


def _painted(axes: Any, values: Any, y: Axis, x: Axis, *, is_even: bool) -> Any:
    if is_even:  # imshow knows equal steps only
        extent = (*edges_of(x, values.shape[1]), *edges_of(y, values.shape[0]))
        return axes.imshow(values, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
    pairs = ((x, values.shape[1]), (y, values.shape[0]))
    centres = [np.arange(n) if a.values is None or a.values.dtype.kind not in "iuf" else a.values for a, n in pairs]
    painted = axes.pcolormesh(*centres, values, shading="nearest")
    for (axis, length), name in zip(pairs, "xy", strict=True):
        if axis.values is not None and axis.values.dtype.kind not in "iuf":
            _name_places(axes, axis, length, name)
    return painted


def _coarse(axis: Axis, length: int, part: Part) -> Axis:
    """Return the axis of elements that stand for several: in their middle, or where the one is that was taken."""
    if part.every == 1:
        return axis
    is_one = part.fewer == "every"
    if axis.values is None or axis.values.dtype.kind not in "iuf":
        middle = 0.0 if is_one else (part.every - 1) / 2
        return Axis(axis.name, axis.unit, np.arange(length) * part.every + middle)
    starts = np.arange(0, len(axis.values), part.every)
    if is_one:
        return Axis(axis.name, axis.unit, axis.values[starts][:length])
    counts = np.diff(np.append(starts, len(axis.values)))
    return Axis(axis.name, axis.unit, (np.add.reduceat(axis.values.astype(float), starts) / counts)[:length])


def _name_places(axes: Any, axis: Axis, length: int, which: str = "x") -> None:
    if axis.values is None:
        return
    shown = range(0, length, max(1, -(-length // MOST_NAMES)))
    set_ticks = axes.set_xticks if which == "x" else axes.set_yticks
    set_ticks(list(shown), [str(axis.values[k]) for k in shown], rotation=45 if which == "x" else 0)


def _bounds(array: NDArray[Any], margin: float) -> tuple[float, float]:
    known = array[np.isfinite(array)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    room = (high - low) * margin if high > low else (abs(high) or 1.0) * 0.05
    return low - room, high + (room or (high - low) * 0.05)


def _around(place: Any) -> tuple[Any, Any]:
    half = np.timedelta64(500, "ms") if isinstance(place, np.datetime64) else 0.5
    return place - half, place + half


def _is_squarish(axes: Any) -> bool:
    width, height = abs(np.diff(axes.get_xlim())[0]), abs(np.diff(axes.get_ylim())[0])
    return bool(height and 1 / 4 < width / height < 4)
