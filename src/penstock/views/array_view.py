"""One declared output of a reducer: an array with a unit and axes, known before the first result comes.

It notes which rows were touched, so that whoever follows copies only these. It knows neither files nor sockets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["ArrayView", "Axis"]

_FIRST_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """What one dimension of a view runs over."""

    name: str
    unit: str = ""
    values: NDArray[Any] | None = None
    """(length of the dimension,), in ``unit``; ``None`` if it is just counted, or if a view of this name beside it
    says them, as where both grow."""


class ArrayView:
    """An array that is filled while data come.

    >>> view = ArrayView((None, 2), "f8", unit="counts", axes=("time", "channel"))
    >>> view.append([3, 4])
    >>> view.array
    array([[3., 4.]])

    Parameters
    ----------
    shape
        ``None`` for a first dimension that grows.
    dtype
        Of the elements.
    unit
        Of the elements, such as ``counts``.
    axes
        One for each dimension: an ``Axis``, or its name.
    fill
        What is there before anything is set; NaN shows as missing in pictures.
    title
        One line for people.

    Raises
    ------
    ValueError
        If there is a wrong number of axes, or an axis has a wrong number of values.
    """

    __slots__ = (
        "_buffer",
        "_is_whole",
        "_length",
        "_touched",
        "_writable",
        "axes",
        "dtype",
        "fill",
        "grows",
        "title",
        "unit",
        "version",
    )

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: DTypeLike = float,
        *,
        unit: str = "",
        axes: Sequence[str | Axis] = (),
        fill: Any = 0,  # any element of dtype
        title: str = "",
    ) -> None:
        self.grows = bool(shape) and shape[0] is None
        self.dtype = np.dtype(dtype)
        self.unit = unit
        self.fill = fill
        self.title = title
        self.axes = tuple(Axis(axis) if isinstance(axis, str) else axis for axis in axes)
        self.version = 0
        """One more with each change."""
        rows = [_FIRST_ROWS, *shape[1:]] if self.grows else shape
        if any(length is None for length in rows):
            raise ValueError(f"shape {tuple(shape)}: only the first dimension may grow")
        self._buffer = np.full([length for length in rows if length is not None], fill, self.dtype)
        self._hold(0 if self.grows else (self._buffer.shape[0] if self._buffer.ndim else 1))
        self._is_whole = self.dtype.kind in "iu"
        self._touched = (0, 0)
        self._check_axes()

    @property
    def shape(self) -> tuple[int, ...]:
        """As it is now."""
        return (self._length, *self._buffer.shape[1:]) if self._buffer.ndim else ()

    @property
    def array(self) -> NDArray[Any]:
        """What is there now, read-only; it changes under the reader unless it has grown since."""
        found = self._buffer[: self._length] if self._buffer.ndim else self._buffer.view()
        found.flags.writeable = False
        return found

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype) if copy else np.asarray(self.array, dtype)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        unit = f", unit={self.unit!r}" if self.unit else ""
        return f"<ArrayView {self.shape} {self.dtype}{unit}, version {self.version}>"

    def set(self, index: Any, value: ArrayLike) -> None:
        """Write elements; ``index`` is whatever NumPy takes. A growing view grows to hold a row beyond its end.

        Raises
        ------
        IndexError
            If the index is outside.
        TypeError
            If whole numbers cannot hold the value.
        """
        self._check(value)
        self._make_room(index)
        try:
            self._writable[index] = value
        except BaseException:
            self._touch_all()
            raise
        self._note(index)

    def add(self, index: Any, value: ArrayLike) -> None:
        """Add to elements; of an element named twice in an index array, each value counts."""
        self._check(value)
        self._make_room(index)
        try:
            if _names_elements(index):
                np.add.at(self._writable, index, self._cast(value))
            else:
                self._writable[index] += value if type(value) in (int, float) else self._cast(value)
        except BaseException:
            self._touch_all()
            raise
        self._note(index)

    def append(self, value: ArrayLike) -> None:
        """Write one more row of a growing view.

        Raises
        ------
        ValueError
            If the view does not grow, or the row has another shape.
        """
        if not self.grows:
            raise ValueError(f"a view of shape {self.shape} does not grow; declare it with shape (None, …)")
        self._check(value)
        row = self._length
        self._grow(row + 1)
        try:
            self._buffer[row] = value
        except BaseException:
            self._buffer[row] = self.fill  # a part may have been written
            self._hold(row)
            raise
        self._note(row)

    def take_touched(self) -> range:
        """Return the rows that changed since the last call: the smallest range that holds them all."""
        touched, self._touched = range(*self._touched), (0, 0)
        return touched

    def restore(self, array: NDArray[Any]) -> None:
        """Hold this content and length from now on, as after a restart; whoever holds the view sees it.

        Parameters
        ----------
        array
            Of the view's dtype and shape; of a view that grows, any number of rows. It is copied.

        Raises
        ------
        ValueError
            If it has another dtype or shape; nothing is changed then.
        """
        rows = array.shape[1:] if self.grows else array.shape
        if array.dtype != self._buffer.dtype or rows != (self._buffer.shape[1:] if self.grows else self._buffer.shape):
            raise ValueError(f"a view of shape {self.shape} and {self.dtype} cannot hold {array.shape}, {array.dtype}")
        if self.grows:
            self._buffer = np.full((max(len(array), _FIRST_ROWS), *rows), self.fill, self.dtype)
            self._hold(len(array))
        self._writable[...] = array
        self.version += 1
        self._touch_all()

    @classmethod
    def of(
        cls,
        array: NDArray[Any],
        *,
        unit: str = "",
        axes: Sequence[str | Axis] = (),
        fill: Any = 0,  # any element of the array's dtype
        title: str = "",
        grows: bool = False,
        borrowed: bool = False,
    ) -> "ArrayView":
        """Return a view that holds an array, without a copy unless it is read-only.

        Parameters
        ----------
        borrowed
            Hold it without a copy even so: such a view can be read, and not set.

        Raises
        ------
        ValueError
            As the constructor.
        """
        view = cls.__new__(cls)
        view.grows, view.dtype, view.unit, view.fill, view.title = grows, array.dtype, unit, fill, title
        view.axes = tuple(Axis(axis) if isinstance(axis, str) else axis for axis in axes)
        view.version, view._touched, view._is_whole = 0, (0, 0), array.dtype.kind in "iu"
        view._buffer = array if borrowed or array.flags.writeable else array.copy()
        view._hold(len(array) if array.ndim else 1)
        view._check_axes()
        return view

    @property
    def room(self) -> int:
        """Rows it can hold before it has to move; its length if it does not grow."""
        return len(self._buffer) if self.grows else self._length

    def copy(self) -> "ArrayView":
        """Return what is there now as a view of its own."""
        again = ArrayView.of(
            self.array, unit=self.unit, axes=self.axes, fill=self.fill, title=self.title, grows=self.grows
        )
        again.version = self.version
        return again

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What is said of it besides its elements: unit, title, names of the axes; empty ones are left out."""
        said = {"unit": self.unit, "title": self.title, "axes": [axis.name for axis in self.axes]}
        return {name: value for name, value in said.items() if value}

    def _touch_all(self) -> None:
        # Also after a write that failed: it may have written a part.
        self._touched = (0, self._length)

    def _cast(self, value: ArrayLike) -> NDArray[Any]:
        return np.asarray(value).astype(self.dtype, copy=False)

    def _check(self, value: ArrayLike) -> None:
        # NumPy would cut off what follows the point, and make some number of a NaN.
        if self._is_whole and np.asarray(value).dtype.kind in "fc":
            raise TypeError(f"a view of {self.dtype} cannot hold {value!r}; declare it as float, or round")

    def _check_axes(self) -> None:
        if self.axes and len(self.axes) != self._buffer.ndim:
            raise ValueError(f"{len(self.axes)} axes for {self._buffer.ndim} dimensions; name one for each")
        for length, axis in zip(self.shape, self.axes, strict=bool(self.axes)):
            if axis.values is not None and len(axis.values) != length:
                raise ValueError(f'axis "{axis.name}" has {len(axis.values)} values for a length of {length}')

    def _make_room(self, index: Any) -> None:
        if not self.grows:
            return
        first = index[0] if isinstance(index, tuple) and index else index
        if isinstance(first, int | np.integer) and first >= self._length:
            self._grow(int(first) + 1)

    def _grow(self, length: int) -> None:
        if length > len(self._buffer):
            # A new array, not a resized one: readers may hold the old.
            larger = np.full((max(length, 2 * len(self._buffer)), *self._buffer.shape[1:]), self.fill, self.dtype)
            larger[: self._length] = self._writable
            self._buffer = larger
        self._hold(length)

    def _hold(self, length: int) -> None:
        self._length = length
        self._writable = self._buffer[:length] if self._buffer.ndim else self._buffer

    def _note(self, index: Any) -> None:
        self.version += 1
        first = index[0] if isinstance(index, tuple) and index else index
        if type(first) is int:  # most calls, hence before all others
            start = first if first >= 0 else first + self._length
            stop = start + 1
        else:
            start, stop = self._rows(first)
        old_start, old_stop = self._touched
        if old_start == old_stop:
            self._touched = (start, stop)
        elif start < old_start or stop > old_stop:
            self._touched = (min(start, old_start), max(stop, old_stop)) if start < stop else self._touched

    def _rows(self, first: Any) -> tuple[int, int]:
        if isinstance(first, np.integer):
            row = int(first) % self._length
            return row, row + 1
        if isinstance(first, slice):
            rows = range(*first.indices(self._length))
            return (min(rows), max(rows) + 1) if rows else (0, 0)
        return 0, self._length


def _names_elements(index: Any) -> bool:
    """Whether an index may name an element twice."""
    return isinstance(index, np.ndarray | list) or (
        isinstance(index, tuple) and any(isinstance(each, np.ndarray | list) for each in index)
    )
