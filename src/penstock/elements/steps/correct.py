"""Correct images: what is there without beam, how sensitive each pixel is, and which pixels mean nothing."""

from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.parameter import Section, Unit
from penstock.elements.item_array import with_array_changed
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge
    from pydantic import FilePath

__all__ = ["Correct"]

_PARTS: Final = ("dark", "flat", "mask")
_HERE: Final = Section("Correction")

Dark = Annotated[NDArray[np.float64] | None, Unit("counts"), _HERE, "what is there without beam"]
Flat = Annotated[
    NDArray[np.float64] | None, Ge(0), _HERE, "how sensitive each pixel is; where it is 0, it means nothing"
]
Mask = Annotated[NDArray[np.bool_] | None, _HERE, "true where a pixel means nothing"]
Calibration = Annotated[FilePath | None, _HERE, "a file with dark, flat and mask, where they are not given themselves"]
Fill = Annotated[float | None, Unit("counts"), _HERE, "what stands where a pixel means nothing; none: not a number"]


class Correct:
    """Correct the image of each item: ``(image - dark) / flat``, and ``fill`` where the mask is true or the flat 0.

    The result is float32, of a float64 image float64. All are parameters: a new dark holds from the next image on. An
    image may be a stack of images, whose last axes are those of dark, flat and mask.

    >>> import numpy as np
    >>> correct = Correct(dark=np.array([1.0, 1.0, 1.0]), flat=np.array([1.0, 2.0, 0.0]), fill=-1.0)
    >>> correct(np.array([5, 5, 5], np.uint16)).tolist()
    [4.0, 2.0, -1.0]

    Parameters
    ----------
    field
        Where the image is in an item; needless where the item is an array, or a message's array is meant.
    dark, flat, mask
        Arrays of the image's shape; ``None``: no such correction.
    calibration
        A ``.npz`` or HDF5 file in which ``dark``, ``flat`` and ``mask`` are looked for, as far as they are not given.
    fill
        For pixels that mean nothing; ``None``: not a number.
    """

    def __init__(
        self,
        field: str = "",
        *,
        dark: Dark = None,
        flat: Flat = None,
        mask: Mask = None,
        calibration: Calibration = None,
        fill: Fill = None,
    ) -> None:
        self._field = field
        self.dark, self.flat, self.mask, self.calibration, self.fill = dark, flat, mask, calibration, fill
        self._from: tuple[Any, ...] = ()
        """The values of parameters that the arrays below were made of."""
        self._dark: NDArray[Any] | None = None
        self._gain: NDArray[Any] | None = None
        self._bad: NDArray[np.bool_] | None = None
        self._of_dtype: dict[Any, list[NDArray[Any] | None]] = {}
        """Dark and gain as numbers of an image's result: mixed with others they would take thirty times as long."""

    def __call__(self, item: Any) -> Any:
        """Return the item with its image corrected.

        Raises
        ------
        ValueError
            If an image has another shape than what it is corrected by, or the file has no such arrays.
        """
        now = (self.dark, self.flat, self.mask, self.calibration)
        if len(self._from) != len(now) or any(a is not b for a, b in zip(now, self._from, strict=True)):
            self._prepare()
            self._from = now
        return with_array_changed(item, self._field, self._corrected)

    def _prepare(self) -> None:
        given = {"dark": self.dark, "flat": self.flat, "mask": self.mask}
        if self.calibration is not None:
            kept = _arrays_of(Path(self.calibration))
            given = {name: kept.get(name) if given[name] is None else given[name] for name in _PARTS}
        dark, flat, mask = (given[name] for name in _PARTS)
        bad = None if mask is None else np.asarray(mask, bool)
        self._gain = None
        if flat is not None:
            flat = np.asarray(flat, float)
            dead = ~(flat > 0)
            bad = dead if bad is None else bad | dead
            self._gain = 1 / np.where(dead, 1, flat)
        self._dark, self._bad = None if dark is None else np.asarray(dark, float), bad
        self._of_dtype = {}

    def _corrected(self, image: NDArray[Any]) -> NDArray[Any]:
        for what, part in (("dark", self._dark), ("flat", self._gain), ("mask", self._bad)):
            if part is not None and part.shape != image.shape[image.ndim - part.ndim :]:
                raise ValueError(f"the {what} is {part.shape} and the image {image.shape}; they must be of one shape")
        found: NDArray[np.floating[Any]] = image.astype(np.float64 if image.dtype == np.float64 else np.float32)
        parts = self._of_dtype.get(found.dtype)
        if parts is None:
            made = [None if part is None else part.astype(found.dtype) for part in (self._dark, self._gain)]
            parts = self._of_dtype[found.dtype] = made
        dark, gain = parts
        if dark is not None:
            np.subtract(found, dark, out=found)
        if gain is not None:
            np.multiply(found, gain, out=found)
        if self._bad is not None:
            np.copyto(found, np.nan if self.fill is None else self.fill, where=self._bad)
        return found


def _arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """Read what there is of dark, flat and mask.

    Raises
    ------
    ValueError
        If the file cannot be read, or has none of them.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in _PARTS if name in file}
        else:
            with extra("run"):
                import h5py
            with h5py.File(path) as file:
                found = {name: file[name][()] for name in _PARTS if name in file}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as an .npz or HDF5 file: {error}") from error
    if not found:
        raise ValueError(f"{path}: has none of {', '.join(_PARTS)}; name its arrays so")
    return found
