"""Where the modules of one detector lie: pure arithmetic with corners and directions, in pixels.

As CrystFEL and others have it: a module has a corner, where its first pixel lies, and two directions, along which its
slow and its fast axis run. Everything is (y, x), y downwards as rows of an image are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ModuleGeometry", "Place"]

_DIRECTIONS: Final[Mapping[str, tuple[float, float]]] = {"+y": (1, 0), "-y": (-1, 0), "+x": (0, 1), "-x": (0, -1)}
_KEYS: Final = ("corner", "slow", "fast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a module's pixels go in an image."""

    region: tuple[slice, slice]
    """Rows and columns."""
    is_turned: bool
    """Whether its slow axis runs along the image's columns."""
    flips: tuple[int, int]
    """1 or -1 for rows and for columns."""

    def oriented(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a view of a module's pixels, as they lie in the image."""
        turned = pixels.T if self.is_turned else pixels
        return turned[:: self.flips[0], :: self.flips[1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleGeometry:
    """Modules of the same shape, in their order.

    >>> geometry = ModuleGeometry.of((2, 3), {"a": [0, 0], "b": {"corner": [4, 2], "slow": "-y", "fast": "-x"}})
    >>> geometry.image_shape
    (5, 3)
    >>> geometry.positions()[1, 0].tolist()
    [[4.0, 2.0], [4.0, 1.0], [4.0, 0.0]]
    """

    names: tuple[str, ...]
    shape: tuple[int, int]
    """Of each module: pixels along its slow and along its fast axis."""
    corner: NDArray[np.float64]
    """(modules, 2), where the centre of each one's first pixel lies, px."""
    slow: NDArray[np.float64]
    """(modules, 2), how far it is to the next pixel along the slow axis, px."""
    fast: NDArray[np.float64]
    """(modules, 2), likewise along the fast axis."""

    @classmethod
    def of(cls, shape: Sequence[int], at: Mapping[str, Any]) -> "ModuleGeometry":
        """Return the geometry as it is written in a pipeline.

        Parameters
        ----------
        shape
            Of each module.
        at
            By name ``[y, x]`` of the corner, or a mapping of ``corner``, ``slow`` and ``fast``; directions are
            ``+y``, ``-y``, ``+x``, ``-x`` or ``[dy, dx]``, by default ``+y`` and ``+x``.

        Raises
        ------
        ValueError
            If one is none of these.
        """
        if len(shape) != 2 or min(shape) < 1:
            raise ValueError(f"shape is {list(shape)}; write [slow, fast], the pixels of one module")
        if not at:
            raise ValueError("at names no modules; write {name: [y, x], …} with the corner of each")
        placed = [_placed(name, written) for name, written in at.items()]
        corner, slow, fast = (np.array(each, np.float64) for each in zip(*placed, strict=True))
        return cls(names=tuple(at), shape=(shape[0], shape[1]), corner=corner, slow=slow, fast=fast)

    def positions(self) -> NDArray[np.float64]:
        """Return the centres of all pixels, (modules, slow, fast, 2), px."""
        slow, fast = (np.arange(size) for size in self.shape)
        along = slow[:, None, None] * self.slow[:, None, None] + fast[:, None] * self.fast[:, None, None]
        return self.corner[:, None, None] + along

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of the smallest image from (0, 0) on in which all modules lie."""
        height, width = (int(size) for size in np.floor(self._ends().max(axis=(0, 1)) + 0.5) + 1)
        return height, width

    def places(self) -> list[Place]:
        """Return where the modules go in an image, pixel on pixel.

        Raises
        ------
        ValueError
            If they do not lie on the image's pixels, or beyond its first row or column, or on each other.
        """
        ends = self._ends()
        places = []
        for n, name in enumerate(self.names):
            for way, direction in (("slow", self.slow[n]), ("fast", self.fast[n])):
                if sorted(np.abs(direction).tolist()) != [0, 1]:
                    raise ValueError(f"{way} of {name} is {direction.tolist()}, along neither rows nor columns{_ELSE}")
            if (self.corner[n] != np.rint(self.corner[n])).any():
                raise ValueError(f"corner of {name} is {self.corner[n].tolist()}, between pixels{_ELSE}")
            first, last = ends[n].min(axis=0).astype(int), ends[n].max(axis=0).astype(int)
            if (first < 0).any():
                raise ValueError(f"{name} begins at {first.tolist()}; move all corners so that none is before [0, 0]")
            flips = (self.slow + self.fast)[n].astype(int).tolist()
            region = (slice(int(first[0]), int(last[0]) + 1), slice(int(first[1]), int(last[1]) + 1))
            places.append(Place(region=region, is_turned=bool(self.slow[n, 1]), flips=(flips[0], flips[1])))
        self._check_overlap(places)
        return places

    def _ends(self) -> NDArray[np.float64]:
        """(modules, 4, 2), the centres of the pixels in the corners of each module."""
        slow = (self.shape[0] - 1) * np.array([0, 0, 1, 1])
        fast = (self.shape[1] - 1) * np.array([0, 1, 0, 1])
        return self.corner[:, None] + slow[:, None] * self.slow[:, None] + fast[:, None] * self.fast[:, None]

    def _check_overlap(self, places: Sequence[Place]) -> None:
        taken = np.full(self.image_shape, -1, np.int32)
        for n, place in enumerate(places):
            others = taken[place.region]
            if (others >= 0).any():
                other = self.names[int(others.max())]
                raise ValueError(f"{self.names[n]} lies on {other}; corners are {self.corner.astype(int).tolist()}")
            taken[place.region] = n


_ELSE: Final = "; write layout: stack for modules that do not lie on the pixels of an image"


def _placed(name: str, written: Any) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    parts = dict(written) if isinstance(written, Mapping) else {"corner": written}
    if set(parts) - set(_KEYS) or "corner" not in parts:
        raise ValueError(f"{name} has {', '.join(map(str, parts)) or 'nothing'}; write corner, and slow and fast")
    corner = _pair(name, "corner", parts["corner"])
    slow = _direction(name, "slow", parts.get("slow", "+y"))
    fast = _direction(name, "fast", parts.get("fast", "+x"))
    if abs(slow[0] * fast[1] - slow[1] * fast[0]) < 1e-6:
        raise ValueError(f"slow and fast of {name} are {list(slow)} and {list(fast)}, which run the same way")
    return corner, slow, fast


def _direction(name: str, way: str, written: Any) -> Sequence[float]:
    if isinstance(written, str):
        if written not in _DIRECTIONS:
            raise ValueError(f"{way} of {name} is {written!r}; write {', '.join(_DIRECTIONS)}, or [dy, dx]")
        return _DIRECTIONS[written]
    return _pair(name, way, written)


def _pair(name: str, what: str, written: Any) -> Sequence[float]:
    if not isinstance(written, Sequence) or isinstance(written, str) or len(written) != 2:
        raise ValueError(f"{what} of {name} is {written!r}; write two numbers, y and x")
    try:
        return [float(number) for number in written]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} of {name} is {written!r}; write two numbers, y and x") from error
