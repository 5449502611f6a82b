"""Read images back from a file of their pixels: ``python images.py penstock-out/sparse.nxs 100``."""

import sys

import h5py
import numpy as np

SHAPE = (64, 64)


def image(rows: h5py.Group, row: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return an image as it was, but for the pixels that were not kept, which are 0.

    Parameters
    ----------
    rows
        ``/entry/sparsify``.
    row
        Which image, from 0.
    shape
        Of the images.
    """
    pixels = np.zeros(shape, rows["value"].dtype)
    pixels.flat[_part(rows, "index", row)] = _part(rows, "value", row)
    return pixels


def _part(rows: h5py.Group, name: str, row: int) -> np.ndarray:
    """Return what is one image's: all of them lie one behind the other, and ``_end`` says where each ends."""
    ends = rows[f"{name}_end"]
    return rows[name][ends[row - 1] if row else 0 : ends[row]]


if __name__ == "__main__":
    with h5py.File(sys.argv[1], swmr=True) as file:
        found = image(file["entry/sparsify"], int(sys.argv[2]))
    sys.stdout.write(f"{found.shape}: {np.count_nonzero(found)} pixels with {found.sum()} counts together\n")
