"""What a notebook shows of a view: a figure that follows it, a plain one, or words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.errors import MissingExtraError, PenstockError, SelectionError
from penstock.notebook.about import About, Kind, axis_view, kind_of, slice_of
from penstock.notebook.cells import kernel_shell
from penstock.notebook.inbox import Part

__all__ = ["MAX_BYTES", "MAX_HZ", "Viewing", "bundle_of", "figure_of", "live_of"]

MAX_HZ: Final = 5.0
MAX_BYTES: Final = 1 << 20
"""Of a part: a figure has no more pixels than that, whatever the view has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """A way to look at the views of a pipeline."""

    look_up: Callable[[str], About]
    read: Callable[[str, str, int], Part]
    """Returns elements of a view: its name, which ones, and how many bytes at most."""
    names: Callable[[], list[str]]
    feed: Callable[[], Any]
    """Returns a `penstock.notebook.feed.Feed`: whoever wants none needs no WebSocket."""


def live_of(
    viewing: Viewing, name: str, *, max_hz: float = MAX_HZ, max_bytes: int = MAX_BYTES, frame: int = -1
) -> Any:  # a LiveFigure, which needs an extra
    """Return a widget that follows a view; see ``RemoteView.live``."""
    from penstock.notebook.live_figure import LiveFigure

    about = viewing.look_up(name)
    first = viewing.read(name, slice_of(about, kind_of(about), frame), max_bytes)
    return LiveFigure(
        viewing.feed(), about, first, viewing.look_up, names=viewing.names(), max_hz=max_hz, max_bytes=max_bytes,
        frame=frame,
    )  # fmt: skip


def figure_of(viewing: Viewing, name: str, *, max_bytes: int = MAX_BYTES, frame: int = -1) -> Any:  # a Figure
    """Return a view as it is now as a figure of matplotlib; see ``RemoteView.figure``."""
    from penstock.notebook.drawing import Drawing

    about = viewing.look_up(name)
    kind = kind_of(about)
    if not kind.is_drawn:
        raise SelectionError(f"view {name} is a {kind}, and no picture; read it with view[...]")
    wanted = slice_of(about, kind, frame)
    along = axis_view(about, viewing.names()) if kind is Kind.CURVE else None
    part = viewing.read(name, wanted, max_bytes)
    beside = None if along is None else viewing.read(along, wanted, max_bytes)
    is_along = beside is not None and beside.every == part.every and len(beside.array) >= len(part.array)
    drawing = Drawing(about, kind)
    drawing.show(part, beside.array if beside is not None and is_along else None)
    return drawing.figure


def bundle_of(viewing: Viewing, name: str, text: str) -> Mapping[str, Any]:
    """Return what IPython shows of a view: a live figure in a notebook, ``text`` elsewhere and where that cannot be."""
    if kernel_shell() is None:
        return {"text/plain": text}
    try:
        live = live_of(viewing, name)
    except MissingExtraError as error:
        return {"text/plain": f"{text}\nno figure: {error}"}
    except PenstockError as error:
        return {"text/plain": f"{text}\n{error}"}
    found: dict[str, Any] = live._repr_mimebundle_()
    return {**found, "text/plain": text}
