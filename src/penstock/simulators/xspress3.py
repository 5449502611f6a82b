"""A fluorescence detector that does not exist: the spectra of the scan, shared out among its channels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.protocols.xspress3 import Xspress3Decoder, encode_end, encode_image, encode_start
from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import BIN_keV, LINES_keV, XrfScan

__all__ = ["CHANNELS", "WINDOW_keV", "Xspress3Simulator"]

CHANNELS = 4
EXPOSURE_s = 0.02
CLOCK_Hz = 80e6
EVENT_TICKS = 12
"""How long a photon occupies a channel."""
RESET_TICKS = 160
"""How long a reset takes, after every `PHOTONS_A_RESET`."""
PHOTONS_A_RESET = 100
WINDOW_keV = 0.2
"""Half the width of the windows around the lines of `LINES_keV`, whose counts are sent along."""

_DOMAIN = 3
"""Of the random numbers, so that no other simulator draws the same."""


class Xspress3Simulator(Simulator):
    """Xspress3: fluorescence spectra of four channels, with their counters.

    ``frame`` goes from 0; a frame is one message of three parts. Over all channels its counts add up to
    ``scan.spectrum(point)``. The counters agree with each other: ``dtc`` is
    ``TotalTicks / (TotalTicks - ResetTicks - AllEvents * event_widths)``, and ``AllEvents`` are the good ones and
    those that were piled up.
    """

    decoder = Xspress3Decoder

    def start(self) -> Packets:
        """Return the header."""
        return encode_start(f"xspress3-{self.scan.seed}.h5")

    def point(self, number: int) -> Packets:
        """Return a frame of (4, 1024) counts, uint32."""
        counts = self.counts(number)
        return encode_image(number, counts, self._counters(number, counts), exptime=EXPOSURE_s)

    def end(self, points: int) -> Packets:  # noqa: ARG002 - it does not say how many there were
        """Return the end."""
        return encode_end()

    def counts(self, number: int) -> NDArray[np.uint32]:
        """Return what each channel counted at a point: (4, 1024), bins of 10 eV from 0."""
        # Each photon of the scan falls on one channel, which leaves every channel's counts Poisson distributed.
        photons = self.scan.spectrum(number).astype(np.int64)
        shared = _dice(self.scan, number, 0).multinomial(photons, [1 / CHANNELS] * CHANNELS)
        return np.ascontiguousarray(shared.T, np.uint32)

    def _counters(self, number: int, counts: NDArray[np.uint32]) -> Mapping[str, NDArray[Any]]:
        good = counts.sum(axis=1, dtype=np.int64)
        events = good + _dice(self.scan, number, 1).poisson(0.01 * good)
        total = np.full(CHANNELS, round(EXPOSURE_s * CLOCK_Hz))
        resets = events // PHOTONS_A_RESET * RESET_TICKS
        alive = total - resets - events * EVENT_TICKS
        windows = [_window(line_keV) for line_keV in LINES_keV.values()]
        return {
            "ocr": good / EXPOSURE_s,
            "AllEvents": events,
            "AllGood": good,
            "ClockTicks": total,
            "TotalTicks": total,
            "ResetTicks": resets,
            "event_widths": np.full(CHANNELS, EVENT_TICKS),
            "dtc": total / alive,
            "window_counts": np.array([counts[:, window].sum(axis=1) for window in windows]),
        }


def _dice(scan: XrfScan, number: int, what: int) -> np.random.Generator:
    return np.random.default_rng((scan.seed, number, _DOMAIN, what))


def _window(line_keV: float) -> slice:
    return slice(round((line_keV - WINDOW_keV) / BIN_keV), round((line_keV + WINDOW_keV) / BIN_keV))
