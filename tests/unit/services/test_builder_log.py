"""What an event builder writes of a run: the start, what happens, the end; where nothing is wanted, nothing."""

from pathlib import Path

import msgspec

from penstock.core.decoder import Traits
from penstock.core.log_records import MapSet, ParametersSet, RunEnded
from penstock.core.run import Outcome, RunState
from penstock.core.stream_address import StreamAddress
from penstock.formats.event_log import EventLogReader
from penstock.services.builder_log import LONGEST_NS, BuilderLog
from penstock.services.log_file import claim
from penstock.services.orders import RecordOrder
from penstock.services.repeated_run import RepeatedRun
from penstock.streams.opened import opened_store
from penstock.wire.values import encode_value
from tests.unit.services.builder_cases import order


def test_a_log_has_parameters_and_maps_of_the_start_what_happened_and_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    wanted = order(
        event_log=str(path), parameters=encode_value({"fit.gain": 2.0}), maps=encode_value({"scan": {"n": 1}})
    )  # fmt: skip
    log, state = BuilderLog(wanted), RunState("r1")
    log.open(claim(path), RepeatedRun(wanted))
    log.note_parameters(1, 7, msgspec.Raw(encode_value({"fit.gain": 3.0})), {"fit": 8})
    state.mark(Outcome.INCOMPLETE, "two never came")
    log.end(state)
    log.close(is_over=True)
    start, mapped, changed, ended = EventLogReader(path.read_bytes())
    assert isinstance(start, ParametersSet)
    assert (start.revision, start.values) == (0, {"fit.gain": 2.0})
    assert isinstance(mapped, MapSet)
    assert (mapped.join, mapped.table) == ("scan", encode_value({"n": 1}))
    assert isinstance(changed, ParametersSet)
    assert (changed.revision, changed.first, changed.values, changed.stages) == (1, 7, {"fit.gain": 3.0}, {"fit": 8})
    assert isinstance(ended, RunEnded)
    assert (ended.outcome, ended.reasons) == ("incomplete", ("two never came",))


def test_without_a_log_nothing_is_written_and_nothing_is_due() -> None:
    wanted = order()
    log = BuilderLog(wanted)
    log.open(None, RepeatedRun(wanted))
    log.note_parameters(1, 0, msgspec.Raw(b"no values at all"), {})
    log.append(RunEnded(outcome="finished"))
    log.flush()
    log.end(RunState("r1"))
    assert log.log is None
    assert log.due_ns(0) is None
    assert log.note_traits({}) == ""
    log.close(is_over=True)


def test_what_instruments_are_is_said_at_their_streams_and_the_log_waits_a_little(tmp_path: Path) -> None:
    record = RecordOrder(store="store", folder=str(tmp_path), log="c1/event.log/r1", sources=(("a", "c1/cam/r1"),))
    wanted = order(record=record)
    log = BuilderLog(wanted)
    log.open(None, RepeatedRun(wanted))
    assert log.due_ns(5) == 5 + LONGEST_NS
    assert log.note_traits({"a": Traits(number="frame"), "b": Traits()}) == ""
    log.close(is_over=True)
    with opened_store("store", tmp_path) as store:
        said = store.metadata(StreamAddress.parse("c1/cam/r1"))
        assert store.info(StreamAddress.parse(record.log)).count == 1
    assert said is not None
    assert (said["pipeline"], said["run"]) == ("p", "r1")
