"""Events that lack a part which order or trigger map promises them."""

import numpy as np

from penstock.core.event import EventBatch
from penstock.core.trigger_map import TriggerMap

__all__ = ["count_partial"]


def count_partial(batch: EventBatch, trigger_map: TriggerMap | None) -> int:
    """Return how many events lack such a part; without a map every stream has one for every event."""
    if all(part.block is not None and part.present is None for part in batch.parts):
        return 0
    lacking = np.zeros(len(batch), np.bool_)
    for stream, part in zip(batch.names, batch.parts, strict=True):
        if part.block is None or part.present is not None:
            absent = np.ones(len(batch), np.bool_) if part.present is None else ~part.present
            lacking |= absent if trigger_map is None else absent & trigger_map.kept(stream, batch.numbers)
    return int(lacking.sum())
