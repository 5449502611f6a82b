"""What a run starts from, and what cannot run."""

import pytest

from penstock.core.timestamp import Timestamp
from penstock.errors import NotBuiltYetError, StateError
from penstock.pipeline import Join, Map, Pipeline, Source
from penstock.services.recorded_run import RecordedRun
from penstock.services.run_basis import run_basis
from penstock.streams.memory_store import MemoryStore
from penstock.testing import engine_cases as cases

NOW = Timestamp(1)


def plain() -> Pipeline:
    return Pipeline(
        name="run",
        sources={name: Source(cases.Frames, n=1) for name in "ab"},
        events={"scan": Join("a", "b", by="order")},
        stages={"map": Map(cases.number, source="scan")},
    )


def test_a_run_of_its_own_starts_from_what_is_given() -> None:
    plan = plain().plan()
    basis = run_basis(plan, NOW, run_id="r1", values={"gain": 2})
    assert basis.plan is plan
    assert (basis.run_id, basis.values, basis.trigger_maps) == ("r1", {"gain": 2}, {})
    assert (basis.replay, basis.goes_on, basis.is_replay) == (None, False, False)


def test_values_that_were_given_stay_the_callers() -> None:
    given = {"gain": 2}
    run_basis(plain().plan(), NOW, values=given).values["gain"] = 3
    assert given == {"gain": 2}


def test_what_is_not_built_yet_does_not_begin() -> None:
    asking = Pipeline(name="run", sources={"a": Source(cases.Frames, n=1, when_full="drop_oldest")})
    with pytest.raises(NotBuiltYetError, match="drop_oldest is not built yet"):
        run_basis(asking.plan(), NOW)


def test_what_is_in_one_process_alone_is_replayed_there_alone() -> None:
    recorded = RecordedRun(run="r0", beamtime="c1", store=MemoryStore(), about={})
    with pytest.raises(StateError, match="the store of run r0 is in this process alone; replay it inline"):
        run_basis(plain().plan(), NOW, replay=recorded, in_processes=True)
    with pytest.raises(StateError, match="leave event_log out"):
        run_basis(plain().plan(), NOW, resume=recorded, event_log="log")
