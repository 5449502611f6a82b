"""What keeps a recorded source: everything as it came, or a reason why not."""

from dataclasses import replace

import numpy as np
import pytest

from penstock.core import Block, Kind, Message
from penstock.core.stream_address import StreamAddress
from penstock.elements.recorder import Recorder
from penstock.elements.sink import RunFacts
from penstock.errors import SinkError
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import StreamState

ADDRESS = StreamAddress("c1", "camera", "r1")
FACTS = RunFacts(pipeline="p", run="r1", sink="camera.record")


def block(first: int, n: int, kind: Kind = Kind.DATA) -> Block:
    messages = [Message(kind=kind, key=k, array=np.full((4, 4), k, np.uint16)) for k in range(n)]
    return Block.of("camera", messages, first)


def test_blocks_are_kept_as_they_came() -> None:
    store = MemoryStore()
    recorder = Recorder("c1", "camera", store=store)
    recorder.open(FACTS)
    blocks = [block(1, 1, Kind.START), block(2, 3), block(5, 1, Kind.END)]
    assert [recorder.write_block(each) for each in blocks] == ["", "", ""]
    recorder.close(ended_well=False)
    with store.read(ADDRESS) as reader:
        assert (reader.info.state, reader.info.count) == (StreamState.FINISHED, 5)
        found = [stored.block for stored in reader.blocks()]
    assert [each.kind for each in found] == [Kind.START, Kind.DATA, Kind.END]
    assert np.concatenate([each.ids for each in found]).tolist() == [1, 2, 3, 4, 5]


def test_a_name_that_is_taken_is_refused() -> None:
    store = MemoryStore()
    for n in range(2):
        recorder = Recorder("c1", "camera", store=store)
        if n:
            with pytest.raises(SinkError, match=r"camera\.record: c1/camera/r1 was finished"):
                recorder.open(FACTS)
        else:
            recorder.open(FACTS)
            recorder.write_block(block(1, 1))
            recorder.close(ended_well=True)


def test_what_finds_no_room_ends_the_recording_and_says_so() -> None:
    store = MemoryStore(most_bytes=2000)
    recorder = Recorder("c1", "camera", store=store)
    recorder.open(FACTS)
    assert recorder.write_block(block(1, 1)) == ""
    why = recorder.write_block(block(2, 1000))
    assert why.startswith("the recording ends before message 2: ")
    assert recorder.write_block(block(1002, 1)) == why
    with pytest.raises(SinkError, match="camera: the recording ends before message 2"):
        recorder.close(ended_well=True)
    info = store.info(ADDRESS)
    assert (info.state, info.reason) == (StreamState.ABORTED, why)


def test_one_that_goes_on_keeps_what_is_not_there_yet() -> None:
    store = MemoryStore()
    first = Recorder("c1", "camera", store=store)
    first.open(FACTS)
    assert first.write_block(block(1, 3)) == ""
    first.let_go()
    assert store.info(ADDRESS).state is StreamState.STALLED
    second = Recorder("c1", "camera", store=store)
    second.open(replace(FACTS, goes_on=True))
    assert [second.write_block(each) for each in (block(1, 2), block(3, 2), block(5, 1))] == ["", "", ""]
    second.close(ended_well=True)
    with store.read(ADDRESS) as reader:
        assert np.concatenate([each.block.ids for each in reader.blocks()]).tolist() == [1, 2, 3, 4, 5]
        assert reader.info.state is StreamState.FINISHED
