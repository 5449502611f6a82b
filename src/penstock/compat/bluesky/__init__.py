"""For Bluesky's RunEngine: each scan begins a run of a pipeline, and ends it."""

from penstock.compat.bluesky.scans import Scans

__all__ = ["Scans"]
