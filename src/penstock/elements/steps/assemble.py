"""Put the modules of a frame that comes as one stack where they lie in an image."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.module_geometry import ModuleGeometry
from penstock.elements.item_array import with_array_changed

__all__ = ["Assemble"]


class Assemble:
    """Make an image of a stack of modules, (modules, slow, fast), each pixel in the nearest one of the image.

    For detectors that send all their modules as one array, as many for free-electron lasers do. Modules may stand at
    any angle; where they lie in fractions of pixels, single pixels of the image may stay empty between others. The
    first row and column are those of the outermost pixels. For modules on streams of their own there is `modules`.

    >>> import numpy as np
    >>> stack = np.arange(1, 5).reshape(2, 1, 2)
    >>> Assemble(at={"left": [0, 0], "right": {"corner": [0, 4], "fast": "-x"}})(stack).tolist()
    [[1, 2, 0, 4, 3]]

    Parameters
    ----------
    at
        By name, in the order of the stack, where each module lies, in pixels: ``[y, x]`` of the centre of its first
        pixel, or a mapping of ``corner: [y, x]``, ``slow`` and ``fast``, which are ``+y``, ``-y``, ``+x``, ``-x`` or
        ``[dy, dx]``.
    field
        Where the stack is in an item, such as a stream of an event; needless where the item is an array, or a message's
        array is meant.
    fill
        Where no pixel lies.

    Raises
    ------
    ValueError
        If ``at`` is none of these.
    """

    def __init__(self, at: Mapping[str, Any], field: str = "", fill: float = 0) -> None:
        self._at, self._field, self._fill = dict(at), field, fill
        ModuleGeometry.of((1, 1), at)
        self._shape: tuple[int, ...] = ()
        self._image_shape = (0, 0)
        self._index: NDArray[np.intp] = np.empty(0, np.intp)

    def __call__(self, item: Any) -> Any:
        """Return the item with an image in the place of its stack.

        Raises
        ------
        ValueError
            If it is no stack of so many modules, modules lie on each other, or ``fill`` does not fit.
        """
        return with_array_changed(item, self._field, self._assembled)

    def _assembled(self, stack: NDArray[Any]) -> NDArray[Any]:
        if stack.ndim != 3 or len(stack) != len(self._at):
            wanted = f"[{len(self._at)}, slow, fast]"
            raise ValueError(f"the array is of shape {list(stack.shape)}; a stack of these modules has {wanted}")
        if stack.shape != self._shape:
            self._place(stack.shape[1:])
            self._shape = stack.shape
        fill = np.array(self._fill).astype(stack.dtype)
        if not np.array_equal(fill, self._fill, equal_nan=stack.dtype.kind == "f"):
            raise ValueError(f"fill is {self._fill}, which {stack.dtype} cannot hold")
        image = np.full(self._image_shape, fill, stack.dtype)
        image.reshape(-1)[self._index] = stack.reshape(-1)
        return image

    def _place(self, shape: tuple[int, ...]) -> None:
        at = ModuleGeometry.of(shape, self._at).positions()
        at = at - at.min(axis=(0, 1, 2))
        rows, columns = np.floor(at + 0.5).astype(np.intp).reshape(-1, 2).T
        self._image_shape = (int(rows.max()) + 1, int(columns.max()) + 1)
        self._index = rows * self._image_shape[1] + columns
        self._check_overlap(at.reshape(-1, 2), shape[0] * shape[1])

    def _check_overlap(self, at: NDArray[np.float64], of_each: int) -> None:
        """Refuse pixels of two modules that lie nearer to each other than half a pixel."""
        order = np.argsort(self._index, kind="stable")
        one, other = order[:-1], order[1:]
        is_shared = (self._index[one] == self._index[other]) & (one // of_each != other // of_each)
        is_shared &= np.hypot(*(at[one] - at[other]).T) < 0.5
        if is_shared.any():
            names, first = list(self._at), int(np.flatnonzero(is_shared)[0])
            on, below = names[int(other[first]) // of_each], names[int(one[first]) // of_each]
            raise ValueError(f"{on} lies on {below}; move its corner")
