"""The event builder, by key: the lowest keys there are wait for the other stream like all others."""

import numpy as np
import pytest

from penstock.core import Block, Ledger
from penstock.core.decoder import Traits
from penstock.core.event_builder import EventBuilder, JoinRule


def _block(stream: str, first: int, stop: int) -> Block:
    keys = np.arange(first, stop, dtype=np.uint64)
    return Block(stream=stream, ids=keys + np.uint64(1), keys=keys, timestamps=np.zeros(len(keys), np.int64))


@pytest.mark.parametrize("first", [0, None])
@pytest.mark.parametrize("reorder", [0, 2])
def test_keys_from_0_meet_their_partners(first: int | None, reorder: int) -> None:
    traits = Traits(number="frame", first=first, has_start=False, has_end=False)
    builder = EventBuilder("pair", {"a": traits, "b": traits}, JoinRule(by="key", reorder=reorder), Ledger())
    batches = [batch for stream in "ab" for batch in builder.handle(_block(stream, 0, 4), 0)] + builder.stop()
    keys = [
        [event[stream] and event[stream].key for stream in "ab"] for batch in batches[1:-1] for event in batch.events()
    ]
    assert keys == [[0, 0], [1, 1], [2, 2], [3, 3]]
