"""Modules of one detector that come on several streams, put together into one array behind a join.

Which modules belong together is the join's business; here they are only placed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core import DetectorImage, Event, Kind, Message, ModuleGeometry
from penstock.monitor.notice import notice

__all__ = ["Modules"]


class Modules:
    """Put the modules of one event together into one array.

    In a pipeline, behind a join of the modules' streams by ``key``::

        events:
          frames: {join: [top, bottom], by: key, incomplete: pass, wait_s: 1}
        stages:
          detector:
            from: frames
            steps:
              - modules:
                  shape: [256, 512]
                  at: {top: [0, 0], bottom: {corner: [519, 511], slow: -y, fast: -x}}

    Or in a worker of your own: ``self.modules = Modules(...)``, then ``image = self.modules(event)``.

    What a missing module would show is ``fill`` and masked; it is named in the image, counted in ``missing``, and told
    in a notice. An event without any module is left out. Other streams of the event are not looked at.

    Parameters
    ----------
    shape
        Of a module: pixels along the slow and the fast axis.
    at
        By stream, where its module lies, in pixels: ``[y, x]`` of its first pixel, or a mapping of ``corner: [y, x]``,
        ``slow`` and ``fast``, which are ``+y``, ``-y``, ``+x`` or ``-x``; in a stack also ``[dy, dx]``.
    layout
        ``image``: (height, width), each pixel where it lies. ``stack``: (modules, slow, fast), in the order of ``at``,
        pixels as they came; where they lie, `ModuleGeometry.positions` says.
    fill
        The value where there are no data.

    Raises
    ------
    ValueError
        If an argument is none of these, modules lie on each other, or in an image not on its pixels.

    Examples
    --------
    >>> Modules(shape=[2, 2], at={"a": [0, 0], "b": [0, 3]}).mask.astype(int)
    array([[0, 0, 1, 0, 0],
           [0, 0, 1, 0, 0]])
    """

    def __init__(
        self,
        shape: Sequence[int],
        at: Mapping[str, Any],
        layout: Literal["image", "stack"] = "image",
        fill: float = 0,
    ) -> None:
        if layout not in ("image", "stack"):
            raise ValueError(f"layout is {layout!r}; write image, or stack")
        self.geometry = ModuleGeometry.of(shape, at)
        """Where the modules lie."""
        self.missing = dict.fromkeys(self.geometry.names, 0)
        """By module, how many of its frames did not come."""
        self._fill = fill
        self._places = self.geometry.places() if layout == "image" else None
        whole = self.geometry.image_shape if layout == "image" else (len(at), *self.geometry.shape)
        self.mask: NDArray[np.bool_] = np.ones(whole, np.bool_)
        """That of a frame without missing modules."""
        for n in range(len(at)):
            self._part(self.mask, n)[...] = False
        self.mask.flags.writeable = False

    def __call__(self, event: Event) -> DetectorImage | None:
        """Return the detector of one event, ``None`` if it has none of the modules, or is a start or an end.

        Raises
        ------
        ValueError
            If a module has another shape or dtype than it should, or several frames, or ``fill`` does not fit.
        KeyError
            If the join has no such stream.
        TypeError
            If it is no event.
        """
        if not isinstance(event, Event):
            raise TypeError(f"modules got a {type(event).__name__}; write it behind a join of the modules' streams")
        if event.kind is not Kind.DATA:
            return None
        found = [(n, self._module(event, name)) for n, name in enumerate(self.geometry.names)]
        there = [(n, message) for n, message in found if message is not None]
        if not there:
            return None
        first = there[0][1]
        array = np.full(self.mask.shape, self._fill_of(first.array.dtype), first.array.dtype)
        for n, message in there:
            if message.array.dtype != array.dtype:
                one, other = (self.geometry.names[k] for k in (n, there[0][0]))
                dtypes = f"{one} has dtype {message.array.dtype}, and {other} has {array.dtype}"
                raise ValueError(f"{dtypes}; all modules must have the same")
            self._part(array, n)[...] = self._oriented(message.array, n)
        lost = tuple(self.geometry.names[n] for n, message in found if message is None)
        return DetectorImage(
            array=array,
            mask=self._mask_without([n for n, message in found if message is None]),
            missing=self._count(lost, event.number),
            geometry=self.geometry,
            key=first.key,
            timestamp_ns=first.timestamp_ns,
        )

    def _module(self, event: Event, name: str) -> Message | None:
        part = event[name]
        if part is None:
            return None
        if not isinstance(part, Message):
            raise ValueError(f"{name} has {len(part)} frames in one event; leave it out of the join's ranges")
        shape = np.shape(part.array)
        if part.array is None or shape != self.geometry.shape:
            raise ValueError(f"{name} has shape {list(shape)}; modules have {list(self.geometry.shape)}")
        return part

    def _part(self, array: NDArray[Any], n: int) -> NDArray[Any]:
        return array[n] if self._places is None else array[self._places[n].region]

    def _oriented(self, pixels: NDArray[Any], n: int) -> NDArray[Any]:
        return pixels if self._places is None else self._places[n].oriented(pixels)

    def _mask_without(self, lost: Sequence[int]) -> NDArray[np.bool_]:
        if not lost:
            return self.mask
        mask = self.mask.copy()
        for n in lost:
            self._part(mask, n)[...] = True
        return mask

    def _count(self, lost: tuple[str, ...], event: int) -> tuple[str, ...]:
        for name in lost:
            self.missing[name] += 1
            notice(f"module {name} is missing", event=event)
        return lost

    def _fill_of(self, dtype: np.dtype[Any]) -> Any:
        value = np.array(self._fill).astype(dtype)
        if not np.array_equal(value, self._fill, equal_nan=dtype.kind == "f"):
            raise ValueError(f"fill is {self._fill}, which {dtype} cannot hold")
        return value
