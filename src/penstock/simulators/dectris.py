"""A DECTRIS detector that does not exist, by stream v2: the powder pattern above two thresholds."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from penstock.core.codecs import encoded
from penstock.protocols.dectris import DectrisDecoder, Sendable, encode_end, encode_image, encode_start
from penstock.simulators.powder import SHAPE, PowderPattern
from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["DectrisSimulator", "THRESHOLDS_eV"]

THRESHOLDS_eV = {"threshold_1": 4000.0, "threshold_2": 8000.0}
"""The lower one lets the fluorescence of iron and nickel through, the upper one only what is scattered."""
INCIDENT_eV = 12_400.0
FLUORESCENCE = 0.01
"""Counts of a pixel, for each photon of fluorescence."""
CLOCK_Hz = 50_000_000
FRAME_TICKS = 1_000_000
EXPOSURE_TICKS = 999_500
ARMED = "2026-11-20T12:00:00.000+00:00"

_DOMAIN = 12


class DectrisSimulator(Simulator):
    """DECTRIS stream v2: images of a camera in two channels, powder rings around the beam.

    Each channel is (64, 64) counts, uint16, compressed if that is asked for; ``image_id`` from 0. ``threshold_2`` has
    the powder pattern, ``threshold_1`` also the fluorescence, which is everywhere. The number of the series is the
    scan's seed. Images are dated from noon of 20 November 2026 on, because bytes that depend on the clock would differ
    from run to run.
    """

    decoder = DectrisDecoder
    compressions = ("bslz4", "lz4")
    spoilable = 12  # the magic number, the number of keys, and ``"type": "im…``: what no message could do without

    def __init__(self, scan: XrfScan) -> None:
        super().__init__(scan)
        self._pattern = PowderPattern(scan)
        self._name = f"{scan.seed:026X}"[-26:]

    def start(self) -> Packets:
        """Return the start of the series, with flatfields, masks and a table of count rates."""
        dice = np.random.default_rng((self.scan.seed, _DOMAIN))
        return [
            encode_start(
                self.scan.seed,
                series_unique_id=self._name,
                channels=list(THRESHOLDS_eV),
                shape=SHAPE,
                dtype="uint16",
                arm_date=ARMED,
                beam_center_x=(SHAPE[1] - 1) / 2,
                beam_center_y=(SHAPE[0] - 1) / 2,
                count_time=EXPOSURE_TICKS / CLOCK_Hz,
                detector_description="penstock detector that does not exist",
                frame_time=FRAME_TICKS / CLOCK_Hz,
                incident_energy=INCIDENT_eV,
                number_of_images=self.scan.points,
                threshold_energy=THRESHOLDS_eV,
                flatfield={name: dice.normal(1, 0.02, SHAPE).astype(np.float32) for name in THRESHOLDS_eV},
                pixel_mask={name: np.zeros(SHAPE, np.uint32) for name in THRESHOLDS_eV},
                countrate_correction_lookup_table=np.arange(0, 1000, 10, dtype=np.uint32),
            )
        ]

    def point(self, number: int) -> Packets:
        """Return an image with all its channels."""
        begin = number * FRAME_TICKS
        return [
            encode_image(
                self.scan.seed,
                number,
                self._sent(number),
                series_unique_id=self._name,
                series_date=ARMED,
                start_time=(begin, CLOCK_Hz),
                stop_time=(begin + EXPOSURE_TICKS, CLOCK_Hz),
                real_time=(EXPOSURE_TICKS, CLOCK_Hz),
            )
        ]

    def end(self, points: int) -> Packets:  # noqa: ARG002 - it does not say how many there were
        """Return the end of the series."""
        return [encode_end(self.scan.seed, series_unique_id=self._name)]

    def images(self, number: int) -> dict[str, NDArray[np.uint16]]:
        """Return what was counted above each threshold at a point: (64, 64) by channel."""
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        scattered = dice.poisson(self._pattern.expected(number))
        fluorescence = dice.poisson(FLUORESCENCE * sum(self.scan.amounts(number).values()), SHAPE)
        most = np.iinfo(np.uint16).max
        counted = {"threshold_1": scattered + fluorescence, "threshold_2": scattered}
        return {name: np.minimum(counts, most).astype(np.uint16) for name, counts in counted.items()}

    def _sent(self, number: int) -> Mapping[str, Sendable]:
        images = self.images(number)
        return {name: self._packed(image) for name, image in images.items()} if self.compression else images

    def _packed(self, image: NDArray[np.uint16]) -> Sendable:
        payload, encoding = encoded(image, self.compression)
        return encoding, payload.tobytes()
