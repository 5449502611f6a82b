"""The views of a running pipeline as arrays that are read when they are sliced."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import numpy as np
from numpy.typing import DTypeLike, NDArray

from penstock.client.door import Door, NotFoundError
from penstock.errors import SelectionError, ServiceError

if TYPE_CHECKING:
    from penstock.notebook.about import About
    from penstock.notebook.inbox import Part
    from penstock.notebook.shown import Viewing

__all__ = ["RemoteView", "ViewShelf", "Views"]


class Views(dict[str, "RemoteView"]):
    """Views by name; the end of a name will do where no other view ends so."""

    def __missing__(self, name: str) -> "RemoteView":
        found = [view for full, view in self.items() if full.endswith(f"/{name}")]
        if len(found) == 1:
            return found[0]
        there = ", ".join(view.name for view in found) or ", ".join(self) or "none yet"
        raise KeyError(f'view "{name}" could be any of {there}' if found else f'no view "{name}"; there are {there}')


class RemoteView:
    """One view: slicing reads that part, of the state it has at that moment.

    As the last line of a notebook's cell it is a figure that follows the data, with ``penstock[notebook]``.
    """

    def __init__(self, shelf: "ViewShelf", about: Mapping[str, Any]) -> None:
        self._shelf = shelf
        self.name: str = about["name"]
        self.shape: tuple[int, ...] = tuple(about["shape"])
        """When it was looked up; a view may grow."""
        self.dtype = np.dtype(about["dtype"])
        self.unit: str = about["unit"]
        self.title: str = about["title"]
        self.version: int = about["version"]
        """Of what was read last."""
        self.position: int = about["position"]
        """Which results that holds: all up to this one."""
        self._axes = about["axes"]

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"<view {self.name} {self.shape} {self.dtype}{unit}>"

    def live(self, *, max_hz: float = 5.0, max_bytes: int = 1 << 20, frame: int = -1) -> Any:  # needs an extra
        """Return a widget for a notebook: a figure, a number or a table that follows the view.

        It is drawn in a thread of its own, and stops when its cell is run again, when it is closed, and while no page
        shows it. See `penstock.notebook.live_figure.LiveFigure`.

        Parameters
        ----------
        max_hz
            How often it is drawn at most; between 0.01 and 50.
        max_bytes
            Of an update: of more, one element is sent for several.
        frame
            Of more than two dimensions, which entry of the first one; there is a slider. By default always the last.

        Raises
        ------
        MissingExtraError
            If ipywidgets or matplotlib is not installed.
        ServiceError
            If nobody answers, or the view is not there any more.
        """
        from penstock.notebook.shown import live_of

        return live_of(self._shelf.viewing(), self.name, max_hz=max_hz, max_bytes=max_bytes, frame=frame)

    def figure(self, *, max_bytes: int = 1 << 20, frame: int = -1) -> Any:  # a Figure of matplotlib, an extra
        """Return the view as it is now as a figure of matplotlib, with axes and units.

        Parameters
        ----------
        max_bytes, frame
            As of ``live``.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        SelectionError
            If it is no picture: a number, a text, a table.
        """
        from penstock.notebook.shown import figure_of

        return figure_of(self._shelf.viewing(), self.name, max_bytes=max_bytes, frame=frame)

    def _repr_mimebundle_(self, **_: Any) -> Mapping[str, Any]:  # as IPython asks, whatever it wants of it
        from penstock.notebook.shown import bundle_of

        return bundle_of(self._shelf.viewing(), self.name, repr(self))

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self.shape)

    @property
    def axes(self) -> dict[str, NDArray[Any] | None]:
        """By name, the values of each axis; ``None`` where it is just counted."""
        if any("values" not in axis for axis in self._axes):
            self._axes = self._shelf.find(self.name)._axes
        return {axis["name"]: None if axis["values"] is None else np.asarray(axis["values"]) for axis in self._axes}

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"view {self.name} has no dimensions")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:  # an array, or a scalar as NumPy gives
        """Read some elements.

        Raises
        ------
        SelectionError
            If the key is anything but whole numbers, slices and one ``...``; or outside.
        """
        answer = self._shelf.data(self.name, {"slice": _written(key)})
        head = answer.headers
        text = head["X-Penstock-Shape"]
        shape = tuple(int(length) for length in text.split(",")) if text else ()
        self.version, self.position = int(head["X-Penstock-Version"]), int(head["X-Penstock-Position"])
        array = np.frombuffer(answer.content, np.dtype(head["X-Penstock-Dtype"])).reshape(shape)
        return array if shape else array[()]

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows of what there is now, read at once."""
        if not self.shape:
            raise TypeError(f"view {self.name} has no dimensions")
        return iter(self[...])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(f"view {self.name} is read from elsewhere, which makes a copy")
        return np.asarray(self[...], dtype)

    def __float__(self) -> float:
        return float(self[...])


class ViewShelf:
    """The views that a pipeline has at a door, and what follows them; it owns the feed of those that are shown live."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._feed: Any = None  # a Feed, once something is shown live: it needs an extra

    def find(self, name: str) -> "RemoteView":
        """Return a view by its whole name.

        Raises
        ------
        KeyError
            If there is none.
        """
        try:
            return RemoteView(self, self._door.json("GET", f"views/{quote(str(name))}"))
        except NotFoundError as error:
            raise KeyError(str(error)) from None

    def names(self) -> list[str]:
        """Return the names of all there are now."""
        return [view["name"] for view in self._door.json("GET", "views")]

    def all(self) -> "Views":
        """Return all there are now."""
        return Views({view["name"]: RemoteView(self, view) for view in self._door.json("GET", "views")})

    def data(self, name: str, asked: Mapping[str, str]) -> httpx.Response:
        """Return elements of a view: bytes, and what they are in the headers."""
        return self._door.answer("GET", f"data/{quote(name)}", params=dict(asked))

    def viewing(self) -> "Viewing":
        """Return the ways in which a notebook looks at views."""
        from penstock.notebook.about import about_of  # few notebooks show a view
        from penstock.notebook.shown import Viewing

        def look_up(name: str) -> "About":
            try:
                return about_of(self._door.json("GET", f"views/{quote(name)}"))
            except NotFoundError as error:
                raise ServiceError(str(error)) from None

        def feed() -> Any:  # a Feed
            from penstock.notebook.feed import Feed

            self._feed = self._feed or Feed(self._door.address, self._door.token)
            return self._feed

        return Viewing(look_up=look_up, read=self._part, names=self.names, feed=feed)

    def close(self) -> None:
        """Let figures that follow views stop."""
        if self._feed is not None:
            self._feed.close()

    def _part(self, name: str, text: str, max_bytes: int | None = None) -> "Part":
        from penstock.notebook.inbox import Part

        asked = {"slice": text} if max_bytes is None else {"slice": text, "max_bytes": str(max_bytes)}
        answer = self.data(name, asked)
        head = answer.headers
        shape = tuple(int(length) for length in head["X-Penstock-Shape"].split(",") if length)
        array = np.frombuffer(answer.content, np.dtype(head["X-Penstock-Dtype"])).reshape(shape)
        return Part(
            view=name, slice=text, array=array,
            version=int(head["X-Penstock-Version"]), position=int(head["X-Penstock-Position"]),
            every=int(head["X-Penstock-Every"]), fewer=head["X-Penstock-Fewer"],
        )  # fmt: skip


def _written(key: Any) -> str:
    keys = key if isinstance(key, tuple) else (key,)
    return ",".join(_item(each) for each in keys)


def _item(key: Any) -> str:
    if key is Ellipsis:
        return "..."
    if isinstance(key, slice):
        parts = [key.start, key.stop, *([] if key.step is None else [key.step])]
        return ":".join("" if part is None else _item(part) for part in parts)
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return str(int(key))
    raise SelectionError(f"{key!r} cannot select a part of a view; use whole numbers, slices and ...")
