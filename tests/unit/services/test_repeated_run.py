"""What an event builder goes by while it repeats a recorded run."""

from typing import Any

import msgspec
import numpy as np

from penstock.core import Ledger
from penstock.core.log_records import EventsFormed, LogRecord, Merged, ParametersSet, RangeWorked, RunResumed
from penstock.services.merge_room import MergeRoom
from penstock.services.orders import MergeOrder, ReplayOrder
from penstock.services.repeated_run import RepeatedRun
from penstock.services.replayed_merge import ReplayedMerge
from tests.unit.services.builder_cases import FIT, order
from tests.unit.services.test_remote_map import Stage

MERGE = MergeOrder(name="both", streams=("a", "b"))


def formed(join: str = "scan") -> EventsFormed:
    ones = np.ones((2, 3))
    return EventsFormed(
        join=join, streams=("a", "b"), numbers=np.arange(3), first_ids=ones.astype(np.uint64),
        counts=ones.astype(np.int32),
    )  # fmt: skip


def repeated(*records: LogRecord, missed: dict[str, int] | None = None, **changes: Any) -> RepeatedRun:
    replay = ReplayOrder(first=1, cut_off="", changes=((1, 2, {"fit": 5}, b"\x81"),), missed=missed)
    return RepeatedRun(order(replay=replay, **changes), records)


def test_a_run_of_its_own_goes_by_nothing() -> None:
    run = RepeatedRun(order())
    assert (run.is_all, run.goes_on, run.join("scan"), run.changes(["fit"])) == (False, False, None, {})
    assert (run.missed, run.kept_ids) == ({}, {})
    assert type(run.merge(MERGE, Ledger(), None)) is MergeRoom


def test_a_replay_has_what_was_formed_of_each_join_and_whose_turn_it_was_in_each_merge() -> None:
    mine, other = formed(), formed("elsewhere")
    run = repeated(
        mine, Merged(merge="both", stream="b", count=3), other, ParametersSet(revision=0, first=0, values={})
    )
    assert run.is_all
    assert not run.goes_on
    recorded = run.join("scan")
    assert recorded is not None
    assert (recorded.records, recorded.first, recorded.goes_on) == ([mine], 1, False)
    merge = run.merge(MERGE, Ledger(), None)
    assert isinstance(merge, ReplayedMerge)
    assert merge.turn == "b"


def test_changes_of_parameters_are_known_from_the_beginning_for_each_stage_from_its_own_event_on() -> None:
    changes = repeated().changes(["fit", "look"])
    assert [(each.revision, each.from_event) for each in (*changes["fit"], *changes["look"])] == [(1, 5), (1, 2)]
    assert changes["fit"][0].values == msgspec.Raw(b"\x81")


def test_a_run_that_goes_on_knows_what_was_kept() -> None:
    resumed = RunResumed(resumed_ns=1, joins={"scan": 3}, stages={}, last_ids={"a": 9})
    run = repeated(formed(), resumed, missed={"b": 4})
    assert run.goes_on
    assert not run.is_all
    assert (run.kept_ids, run.missed, run.resumed) == ({"a": 9}, {"b": 4}, resumed)
    recorded = run.join("scan")
    assert recorded is not None
    assert recorded.goes_on


def test_ranges_are_cut_as_they_were_where_that_is_wanted() -> None:
    worked = RangeWorked(stage="fit", worker="fit-1", began_ns=0, took_ns=1, numbers=np.arange(2))
    for repeats, expected in ((True, {"a": [[2]], "b": [[0, 1]]}), (False, {"a": [[0, 1]], "b": [[2]]})):
        run = repeated(worked, stages=(msgspec.structs.replace(FIT, repeats_ranges=repeats),))
        stage = Stage("")
        try:
            run.cut(stage.stage)
            for name, process in (("a", "fit-0"), ("b", "fit-1")):
                stage.actors[name] = stage.enter(process)
            stage.give(stage.events(3))
            assert {name: stage.numbers(name) for name in "ab"} == expected
        finally:
            for name in ("a", "b"):
                stage.actors.pop(name, None)
            stage.close()
