"""An EIGER that does not exist, by stream v1: the powder pattern of the spot that the beam hits."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.core.codecs import encoded
from penstock.protocols.eiger import Detail, EigerDecoder, encode_end, encode_image, encode_start
from penstock.simulators.powder import SHAPE, PowderPattern
from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["EigerSimulator", "FRAME_ns"]

FRAME_ns = 20_000_000
EXPOSURE_ns = 19_990_000
BEGAN_ns = 103_597_359_252_740
"""Of the detector's clock."""
ARMED = "2026-11-20T12:00:00.000+00:00"

_DOMAIN = 11


class EigerSimulator(Simulator):
    """Eiger stream v1: images of a camera, powder rings around the beam, with all that a header can say.

    An image is (64, 64) counts, uint32, compressed if that is asked for; ``frame`` from 0. The number of the series is
    the scan's seed. A subclass may set ``detail``, the ``header_detail``, and see something else: ``shape``, with an
    ``image`` of its own.
    """

    decoder = EigerDecoder
    detail: ClassVar[Detail] = "all"
    shape: ClassVar[tuple[int, int]] = SHAPE
    compressions = ("bslz4",)

    def __init__(self, scan: XrfScan) -> None:
        super().__init__(scan)
        self._pattern = PowderPattern(scan)

    def start(self) -> Packets:
        """Return the header of the series, with the tables if ``detail`` is "all"."""
        return [encode_start(self.scan.seed, self.detail, config=self._config(), tables=self._tables())]

    def point(self, number: int) -> Packets:
        """Return an image."""
        begin = BEGAN_ns + number * FRAME_ns
        image = self.image(number)
        return [
            encode_image(
                self.scan.seed,
                number,
                encoded(image, self.compression)[0].tobytes() if self.compression else image,
                encoding="bs32-lz4<" if self.compression else "<",
                shape=self.shape,
                dtype="uint32",
                start_time=begin,
                stop_time=begin + EXPOSURE_ns,
                real_time=EXPOSURE_ns,
            )
        ]

    def end(self, points: int) -> Packets:  # noqa: ARG002 - it does not say how many there were
        """Return the end of the series."""
        return [encode_end(self.scan.seed)]

    def image(self, number: int) -> NDArray[np.uint32]:
        """Return what the camera counted at a point: an array of ``shape``."""
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        return dice.poisson(self._pattern.expected(number)).astype(np.uint32)

    def _config(self) -> dict[str, Any]:
        return {
            "beam_center_x": (self.shape[1] - 1) / 2,
            "beam_center_y": (self.shape[0] - 1) / 2,
            "bit_depth_image": 32,
            "compression": self.compression or "none",
            "count_time": EXPOSURE_ns / 1e9,
            "data_collection_date": ARMED,
            "description": "penstock EIGER that does not exist",
            "frame_time": FRAME_ns / 1e9,
            "nimages": self.scan.points,
            "ntrigger": 1,
            "x_pixels_in_detector": self.shape[1],
            "y_pixels_in_detector": self.shape[0],
        }

    def _tables(self) -> dict[str, NDArray[Any]]:
        """Return a flatfield within some percent of 1, a mask of no pixel, and counts that need no correction."""
        dice = np.random.default_rng((self.scan.seed, _DOMAIN))
        counts = np.linspace(0, 2**20, 101, dtype=np.float32)
        return {
            "flatfield": dice.normal(1, 0.02, self.shape).astype(np.float32),
            "pixelmask": np.zeros(self.shape, np.uint32),
            "countrate_table": np.stack([counts, counts], axis=1),
        }
