"""User code of the example with two analyses: each a worker that gets raw packets."""

from penstock.core import Message


class Rate:
    """Counts a second of a packet."""

    def __init__(self, bin_s: float = 1.0) -> None:
        self.bin_s = bin_s

    def process(self, message: Message) -> dict[str, float]:
        """Analyse one packet."""
        return {"rate": len(message.metadata) / self.bin_s}


class Spectrum:
    """Energies of a packet."""

    def process(self, message: Message) -> dict[str, float]:
        """Analyse one packet."""
        return {"bins": float(len(message.metadata))}
