"""A program that finds Bragg peaks: frames come over its standard input, and answers go to its standard output.

It knows nothing of penstock; NumPy is all it needs. ``find_peaks.c`` is the same in C, and finds the same peaks.

A peak is a pixel that is brighter than its neighbours and than its surroundings, which are the ring of pixels as far
from the beam: above their mean by ``snr`` standard deviations, of those that are no peaks themselves. (The idea is that
of Cheetah's peak finder 8; Barty et al., J. Appl. Cryst. 47, 1118, 2014.) Where the beam is, and how far a pixel is
from it, stands in a geometry file.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_IN_RING = 16


def geometry_of(path: str) -> dict[str, float]:
    """Read the numbers of a geometry file as CrystFEL has them; of panels, there may be one."""
    found = {}
    with Path(path).open() as file:
        for line in file:
            name, is_given, value = line.partition(";")[0].partition("=")
            if is_given:
                found[name.strip().rpartition("/")[2]] = float(value)
    return found


def peaks_in(image: NDArray[Any], geometry: dict[str, float], snr: float) -> NDArray[np.float64]:
    """Return the peaks, (n, 4): y and x in pixels of the detector, counts, and resolution in Å."""
    height, width = image.shape
    image = image.astype(np.int64)
    bins = (geometry["max_fs"] + 1) / width  # pixels of the detector in one of the image
    beam_y, beam_x = (-geometry[name] / bins - 0.5 for name in ("corner_y", "corner_x"))
    y, x = np.indices(image.shape)
    ring = np.sqrt((y - beam_y) ** 2 + (x - beam_x) ** 2).astype(int)
    limit, mean = np.full(image.shape, np.inf), np.zeros(image.shape)
    for _ in range(4):
        is_ground = image <= limit
        n = np.bincount(ring[is_ground], minlength=ring.max() + 1)
        total, squares = (np.bincount(ring[is_ground], image[is_ground] ** k, len(n)) for k in (1, 2))
        mean_of = total / np.maximum(n, 1)
        spread_of = np.sqrt(np.maximum(squares / np.maximum(n, 1) - mean_of * mean_of, 1.0))
        limit_of = np.where(n >= LEAST_IN_RING, mean_of + snr * spread_of, np.inf)
        limit, mean = limit_of[ring], mean_of[ring]
    middle = image[1:-1, 1:-1]
    is_peak = middle > limit[1:-1, 1:-1]
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        other = image[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]
        is_peak &= middle > other if (dy, dx) < (0, 0) else middle >= other
    corners = zip(*np.nonzero(is_peak), strict=True)
    found = [_measured(image, mean[y + 1, x + 1], y, x, bins, geometry) for y, x in corners]
    return np.array(found, float).reshape(-1, 4)


def _measured(
    image: NDArray[np.int64], mean: float, row: int, column: int, bins: float, geometry: dict[str, float]
) -> tuple[float, ...]:
    """Return place, counts and resolution of a peak of 3 × 3 pixels, of which the first is given."""
    counts = y = x = 0.0
    for k in range(9):
        above = max(float(image[row + k // 3, column + k % 3]) - mean, 0.0)
        counts += above
        y += above * (row + k // 3)
        x += above * (column + k % 3)
    y, x = ((at / counts + 0.5) * bins - 0.5 for at in (y, x))
    away_y = (y + 0.5 + geometry["corner_y"]) / geometry["res"]
    away_x = (x + 0.5 + geometry["corner_x"]) / geometry["res"]
    angle = math.atan(math.sqrt(away_y * away_y + away_x * away_x) / geometry["clen"])
    return y, x, counts, 12398.42 / geometry["photon_energy"] / (2 * math.sin(angle / 2))


def main() -> None:
    """Answer every image."""
    source, out = sys.stdin.buffer, sys.stdout.buffer
    geometry: dict[str, float] = {}
    settings: dict[str, Any] = {"snr": 6.0, "least_peaks": 10}
    for line in source:
        frame = json.loads(line)
        data = source.read(frame["bytes"])
        if frame["kind"] == "parameters":
            settings.update(frame["item"])
            geometry = geometry_of(settings["geometry"])
        elif frame["kind"] == "event":
            place = frame["arrays"]["array"]
            image = np.frombuffer(data, place["dtype"]).reshape(place["shape"])
            peaks = peaks_in(image, geometry, settings["snr"])
            answer = {
                "number": frame["number"],
                "result": {"is_hit": len(peaks) >= settings["least_peaks"], "n": len(peaks)},
                "arrays": {"peaks": {"dtype": "<f8", "shape": list(peaks.shape)}},
            }
            out.write(json.dumps(answer).encode() + b"\n" + peaks.astype("<f8").tobytes())
            out.flush()


if __name__ == "__main__":
    main()
