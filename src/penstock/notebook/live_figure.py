"""One view as a widget that follows the data."""

import time
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Final

from penstock.extra import extra
from penstock.notebook.about import About, Kind, Wish, axis_view, kind_of, slice_of
from penstock.notebook.cells import CELLS
from penstock.notebook.drawing import DPI, SIZE, Drawing
from penstock.notebook.feed import Feed, Standing
from penstock.notebook.inbox import Part, Problem
from penstock.notebook.words import range_text, table_html, value_html

with extra("notebook"):
    import ipywidgets

__all__ = ["LiveFigure"]

STALE_S: Final = 10.0
"""Without a change for so long, it is said since when."""

LookUp = Callable[[str], About]
"""Describes a view as it is now."""


class LiveFigure(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A view that is drawn anew as it changes, five times a second at most.

    It stops when it is closed, when its cell is run again, and while no page shows it. When the pipeline has gone, it
    says since when, keeps what it showed, and goes on when the pipeline is there again.

    Parameters
    ----------
    feed
        What tells of changes.
    about
        The view.
    first
        What there is now.
    look_up
        Describes a view, when it may have become another one.
    names
        Of all views.
    """

    _is_ended = True  # until it is whole

    def __init__(
        self,
        feed: Feed,
        about: About,
        first: Part,
        look_up: LookUp,
        *,
        names: Sequence[str] = (),
        max_hz: float,
        max_bytes: int,
        frame: int = -1,
    ) -> None:
        self._feed = feed
        self._look_up = look_up
        self._names = names
        self._limits = (max_hz, max_bytes)
        self._frame = frame
        self._part = first  # the user's thread may look at any moment
        self._beside: Part | None = None
        """What says where the values are."""
        self._problem = ""
        self._seen_s = time.time()
        self._said = ""
        self._standing = Standing()
        self._session = 0
        """Of the connection over which the view was described."""
        self._picture = ipywidgets.Image(
            format="png", layout=ipywidgets.Layout(width=f"{int(SIZE[0] * DPI)}px", max_width="100%")
        )
        self._text = ipywidgets.HTML()
        self._note = ipywidgets.HTML()
        self._slider = ipywidgets.IntSlider(
            value=-1, min=-1, max=max(0, about.shape[0] - 1) if about.shape else 0, description="frame",
            continuous_update=False, tooltip="-1: always the last one",
        )  # fmt: skip
        self._slider.value = frame
        self._be(about)
        self._show()
        super().__init__(children=self._children())
        self._view_count = 0  # from now on the page counts how often it is shown
        self._slider.observe(self._choose, "value")
        self.observe(self._count, "_view_count")
        self._is_ended = False
        CELLS.note(self)
        feed.follow(self)

    def __repr__(self) -> str:
        return f"<live figure of {self._about.name}: {self._kind}, {self._line()}>"

    @property
    def kind(self) -> Kind:
        """In what form the view is shown."""
        return self._kind

    @property
    def part(self) -> Part:
        """What is shown."""
        return self._part

    @property
    def figure(self) -> Any:  # matplotlib's Figure
        """The figure, ``None`` of what is no picture. Another thread draws in it: look, and do not change."""
        return None if self._drawing is None else self._drawing.figure

    @property
    def png(self) -> bytes:
        """The picture as it is now; of what is no picture, nothing."""
        return bytes(self._picture.value)

    @property
    def is_live(self) -> bool:
        """Whether it still follows the view."""
        return not self._is_ended

    def stop(self) -> None:
        """Follow the view no more; what was shown stays there."""
        if not self._is_ended:
            self._is_ended = True
            self._feed.leave(self)
            self._say()

    def close(self) -> None:
        """Follow the view no more, and take it from every page."""
        self.stop()
        for each in self.children:
            each.close()
        super().close()

    def wishes(self) -> list[Wish]:
        """Return what is wanted now: the view, and the one beside it that says where its values are."""
        max_hz, max_bytes = self._limits
        names = [self._about.name, *([] if self._along is None else [self._along])]
        wanted = slice_of(self._about, self._kind, self._frame)
        return [Wish(view=name, slice=wanted, max_hz=max_hz, max_bytes=max_bytes) for name in names]

    def take(self, news: list[Part | Problem], standing: Standing) -> None:
        """Show what is new, and how things stand. The thread of the feed calls it."""
        self._standing = standing
        self._session = self._session or standing.session
        for each in news:
            if isinstance(each, Problem):
                self._problem = each.text
                continue
            self._problem = ""
            self._seen_s = time.time()
            if each.view == self._about.name and (standing.session != self._session or not self._fits(each)):
                self._session = standing.session
                self._beside = None  # it belongs to the view as it was
                self._be(self._look_up(each.view))
                self._feed.wish()
            if each.view == self._about.name:
                self._part = each
            else:
                self._beside = each
        if any(isinstance(each, Part) for each in news):
            self._show()
        self._say()

    def fail(self, error: Exception) -> None:
        """Say that it could not be shown."""
        self._problem = f"it cannot be shown: {error}"
        self._say()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:  # as IPython asks, whatever it wants of it
        bundle: dict[str, Any] = super()._repr_mimebundle_() or {}
        bundle["text/plain"] = repr(self)
        if self._kind.is_drawn:  # for a page without widgets, and for what a notebook is made into
            bundle["image/png"] = self.png
        else:
            bundle["text/html"] = self._text.value
        return bundle

    def _be(self, about: About) -> None:
        """Take it from now on that the view is so."""
        self._about = about
        self._kind = kind_of(about)
        self._along = axis_view(about, self._names) if self._kind is Kind.CURVE else None
        self._drawing = Drawing(about, self._kind) if self._kind.is_drawn else None
        if self.comm is not None:
            self.children = self._children()

    def _children(self) -> tuple[Any, ...]:
        has_frames = self._kind is Kind.STACK
        return (
            *([self._slider] if has_frames else []),
            self._picture if self._kind.is_drawn else self._text,
            self._note,
        )

    def _fits(self, part: Part) -> bool:
        """Whether a part can be one of the view as it was described."""
        rank = {Kind.STACK: 2}.get(self._kind, len(self._about.shape))
        fixed = self._about.shape[1 if self._about.grows else 0 :] if self._kind is not Kind.STACK else ()
        same = part.every > 1 or self._kind is Kind.TABLE or part.array.shape[rank - len(fixed) :] == fixed
        return part.array.ndim == rank and same

    def _show(self) -> None:
        part = self.part
        if self._drawing is not None:
            beside = self._beside
            # What grows only becomes longer, so what both have belongs together.
            is_along = beside is not None and beside.every == part.every and len(beside.array) >= len(part.array)
            self._drawing.show(part, beside.array if beside is not None and is_along else None)
            self._picture.value = self._drawing.png()
        elif self._kind is Kind.TABLE:
            self._text.value = f"<b>{escape(self._about.heading)}</b>{table_html(self._about, part)}"
        else:
            self._text.value = f"<b>{escape(self._about.heading)}</b>{value_html(self._about, part)}"

    def _line(self) -> str:
        part, standing = self.part, self._standing
        words = [f"version {part.version}"]
        if self._kind.is_drawn and part.array.dtype.kind in "biuf":
            words.insert(0, range_text(part, self._about.unit))
        if standing.run:
            words.append(f"run {standing.run}")
        words += [word for word in (self._state(),) if word]
        return " · ".join(words)

    def _state(self) -> str:
        """Return what one has to know before one believes what is shown."""
        standing = self._standing
        if self._is_ended:
            return "stopped"
        if standing.why_gone:
            return f"the pipeline has gone since {_clock(standing.since_s)} ({standing.why_gone}); this is what it was"
        if self._problem:
            return self._problem
        if standing.has_ended:
            return "the run has ended"
        return f"no change since {_clock(self._seen_s)}" if time.time() - self._seen_s > STALE_S else ""

    def _say(self) -> None:
        line, state = self._line(), self._state()
        if line != self._said:  # each change travels
            self._said = line
            style = "color:#c33" if state and state != "the run has ended" else "opacity:.75"
            self._note.value = f'<span style="{style}">{escape(line)}</span>'

    def _choose(self, change: Mapping[str, Any]) -> None:
        self._frame = int(change["new"])
        self._feed.wish()

    def _count(self, change: Mapping[str, Any]) -> None:
        """Rest while no page shows it: a closed tab, an output that was cleared."""
        if self._is_ended:
            return
        if change["new"]:
            self._feed.follow(self)
        elif change["old"]:
            self._feed.leave(self)


def _clock(since_1970_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(since_1970_s))
