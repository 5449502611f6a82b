"""For each instrument, ``parse``: from frames to a packet of ``dranspose.data``."""
