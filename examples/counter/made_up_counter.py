"""A photon counter that does not exist."""

import numpy as np
from counter import END, GATE, START, CounterDecoder, encode

from penstock.simulators import Packets, Simulator

CHANNELS = 4


class MadeUpCounter(Simulator):
    """Counts the iron in a sample, with four channels that see the same."""

    decoder = CounterDecoder

    def start(self) -> Packets:
        """Return what is sent before the gates: a list of packets."""
        return [encode(START)]

    def point(self, number: int) -> Packets:
        """Return what is sent of one gate. The same seed and number give the same counts."""
        dice = np.random.default_rng((self.scan.seed, number))
        expected = self.scan.amounts(number)["Fe"]
        return [encode(GATE, number, dice.poisson(expected, CHANNELS).tolist())]

    def end(self, points: int) -> Packets:
        """Return what is sent after the gates."""
        return [encode(END, points)]
