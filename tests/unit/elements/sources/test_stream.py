"""A durable stream as a source: what is there, what comes, and its end."""

import select
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Block, Message
from penstock.core.decoder import Traits
from penstock.core.stream_address import StreamAddress
from penstock.elements.sources.stream import StreamSource
from penstock.elements.stream_traits import traits_as_metadata
from penstock.errors import SourceError
from penstock.pipeline import Map, Pipeline, Reduce, Sink, Source
from penstock.streams.membership import GroupStore
from penstock.streams.memory_store import MemoryStore
from penstock.streams.opened import opened_store
from penstock.testing import engine_cases as cases
from tests.system import chained_code

ADDRESS = StreamAddress("c1", "camera", "r1")


def block(ids: list[int], key: int | None = None) -> Block:
    return Block.of("camera", [Message(id=k, key=key, array=np.full(2, k)) for k in ids])


def source(store: MemoryStore) -> StreamSource:
    made = StreamSource(str(ADDRESS), store=store)
    made.stream = "it"
    made.open()
    return made


def test_messages_are_numbered_anew_and_keep_their_ids_as_keys() -> None:
    store = MemoryStore()
    with store.write(ADDRESS) as writer:
        writer.append(block([7, 9]))
        writer.append(block([3]))
        writer.finish()
    made = source(store)
    assert made.pollable is None, "a stream that has ended is never late"
    found = [made.read(0) for _ in range(3)]
    blocks = [reading.blocks[0] for reading in found[:2]]
    assert [each.ids.tolist() for each in blocks] == [[1, 2], [3]]
    assert [each.keys.tolist() for each in blocks if each.keys is not None] == [[7, 9], [3]]
    assert blocks[0].stream == "it"
    assert [reading.ended for reading in found] == [False, False, True]
    made.close()


def test_what_comes_is_waited_for() -> None:
    store = MemoryStore()
    made = source(store)
    assert made.pollable is not None
    poller = select.poll()
    poller.register(made.pollable, select.POLLIN)
    while not made.read(0).is_empty:
        pass
    assert not poller.poll(0)
    with store.write(ADDRESS) as writer:
        writer.append(block([1], key=5))
        assert poller.poll(1000)
        keys = made.read(0).blocks[0].keys
        assert keys is not None
        assert keys.tolist() == [5]
        assert made.read(0).is_empty
        writer.finish()
    assert poller.poll(1000)
    assert made.read(0).ended
    made.close()


def test_a_producer_that_gave_up_breaks_the_source() -> None:
    store = MemoryStore()
    with store.write(ADDRESS) as writer:
        writer.append(block([1]))
        writer.abort("the detector is gone")
    made = source(store)
    assert len(made.read(0).blocks) == 1
    with pytest.raises(SourceError, match="its producer gave up: the detector is gone"):
        made.read(0)
    made.close()


def test_what_is_known_of_the_instrument_is_in_the_metadata() -> None:
    store = MemoryStore()
    assert StreamSource(str(ADDRESS), store=store).traits == Traits(has_start=False, has_end=False)
    traits = Traits(number="frame", first=0, clock="time")
    store.set_metadata(ADDRESS, traits_as_metadata(traits))
    assert StreamSource(str(ADDRESS), store=store).traits == traits


@pytest.mark.parametrize("address", ["c1", "c1/camera", "", "a/b/c/d"])
def test_what_is_no_stream_is_refused(address: str) -> None:
    with pytest.raises(SourceError):
        StreamSource(address)


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_pipelines_are_chained_by_a_stream(engine: str, tmp_path: Path) -> None:
    recorded = Pipeline(
        name="first",
        beamtime="c1",
        sources={"a": Source(cases.Frames, n=9, record=True)},
        stages={"ids": Reduce(cases.Table, source="a")},
        folder=tmp_path,
    )
    assert recorded.run("inline", run_id="r1").outcome == "finished"
    following = Pipeline(
        name="second",
        sources={"a": Source("stream", address="c1/a/r1")},
        stages={"frames": Reduce(cases.Table, source="a")},
        folder=tmp_path,
    )
    report = following.run(engine)
    assert report.outcome == "finished", report.reasons
    assert report.edge("a", "frames").accounts == {"done": 11}


def test_a_member_of_a_group_acknowledges_what_is_settled() -> None:
    store = MemoryStore()
    with store.write(ADDRESS) as writer:
        writer.append(block([7, 9]))
        writer.append(block([3], key=5))
        writer.finish()
    made = StreamSource(str(ADDRESS), store=store, group="g")
    assert (made.wants_settled, made.is_repeatable) == (True, False)
    made.open()
    blocks = [made.read(0).blocks[0] for _ in range(2)]
    assert [each.ids.tolist() for each in blocks] == [[1], [2, 3]]
    assert [each.keys.tolist() for each in blocks if each.keys is not None] == [[5], [7, 9]]
    assert made.read(0).ended, "nobody else has anything"
    made.close()
    made.settle(2, 3)
    made.leave()
    report = store.group_report(ADDRESS, "g")
    assert report is not None
    assert report.unacknowledged == [(3, 3)]
    assert not report.snapshot.members


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_what_user_code_fails_on_comes_again(engine: str, tmp_path: Path) -> None:
    with opened_store("penstock-data", tmp_path) as store, store.write(ADDRESS) as writer:
        for k in range(1, 61):
            writer.append(block([k]))
        writer.finish()

    def pipeline(fails: int) -> Pipeline:
        return Pipeline(
            name="group",
            beamtime="c1",
            sources={"a": Source("stream", address=str(ADDRESS), group="g")},
            stages={"it": Map(chained_code.fails_on, source="a", key=fails)},
            sinks={"out": Sink("stream", source="it", address="c1/out/all", id="id", ends=False)},
            folder=tmp_path,
        )

    failed = pipeline(41).run(engine)
    assert (failed.outcome, failed.exit_code) == ("failed", 1)
    again = pipeline(0).run(engine)
    assert again.outcome == "finished", again.reasons
    with opened_store("penstock-data", tmp_path) as store:
        assert store.info(StreamAddress("c1", "out", "all")).count == 60
        assert isinstance(store, GroupStore)
        report = store.group_report(ADDRESS, "g")
        assert report is not None
        assert (report.snapshot.settled, report.snapshot.lag) == (60, 0)
        assert report.snapshot.acknowledged == 60
