"""A Sardana that does not exist: the records of the scan, as its recorder posts them."""

import numpy as np

from penstock.protocols.sardana import SardanaDecoder, encode_end, encode_point, encode_start
from penstock.simulators.simulator import Packets, Simulator

__all__ = ["PERIOD_s", "SardanaSimulator"]

PERIOD_s = 0.1
BEAM = 50_000.0
"""Counts of the ion chamber at a point, on average."""

_COLUMNS = {"point_nb": "int64", "sy": "float64", "sx": "float64", "I0": "float64", "timestamp": "float64"}
_DOMAIN = 12


class SardanaSimulator(Simulator):
    """Sardana: a record a point, with ``sy`` and ``sx`` in µm and the counts of an ion chamber, ``I0``.

    It posts to the address it is given, where a pipeline listens; there is nothing to bind.
    """

    decoder = SardanaDecoder

    def start(self) -> Packets:
        """Return the description of the scan."""
        y, x = self.scan.y, self.scan.x
        title = f"mesh sy {y[0]:g} {y[-1]:g} {len(y) - 1} sx {x[0]:g} {x[-1]:g} {len(x) - 1} {PERIOD_s:g}"
        columns = [{"name": name, "label": name, "dtype": dtype, "shape": []} for name, dtype in _COLUMNS.items()]
        serialno = self.scan.seed % 2**31
        return [encode_start(serialno, title, scandir="/data", ref_moveables=["sy", "sx"], column_desc=columns)]

    def point(self, number: int) -> Packets:
        """Return the record of a point."""
        y, x = map(float, self.scan.position(number))
        beam = int(np.random.default_rng((self.scan.seed, number, _DOMAIN)).poisson(BEAM))
        return [encode_point((number + 1) * PERIOD_s, point_nb=number, sy=y, sx=x, I0=beam)]

    def end(self, points: int) -> Packets:  # noqa: ARG002 - Sardana does not say how many there were
        """Return the end of the scan."""
        return [encode_end()]
