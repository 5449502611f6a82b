"""From which event on a change of parameters holds, in each stage, and who is told of it."""

from typing import Any

import msgspec

from penstock.core import Ledger
from penstock.services.custody import Custody
from penstock.services.parameter_changes import ParameterChanges
from penstock.services.remote_source import RemoteSource
from penstock.services.wiring import Wiring
from penstock.wire.envelopes import Change
from tests.unit.services.builder_cases import FIT, Told, actors, order

RAW = msgspec.Raw(b"\x80")


class Formed:
    """A join that has formed so many events, or a merge that has passed on so many."""

    def __init__(self, number: int) -> None:
        self.next_number = number
        self.builder = self


class Case:
    """A stage behind a join, and one behind an instrument alone."""

    def __init__(self, **given: Any) -> None:
        alone = msgspec.structs.replace(FIT, name="look", inputs=(("", "b"),), producers=(("", "b"),))
        custody, ledger = Custody(lambda made, fd: None), Ledger()
        self.sources = {name: RemoteSource(name, ledger, custody) for name in "ab"}
        self.joins: dict[str, Any] = {}
        self.stages: dict[str, Any] = {"fit": Told(), "look": Told("look")}
        self.changes = ParameterChanges(
            sources=self.sources, merges={}, joins=self.joins, stages=self.stages, join_names=["scan"],
            **{"wiring": Wiring(order(stages=(FIT, alone))), "kept_ids": {}, **given},
        )  # fmt: skip


def test_each_stage_has_a_change_from_the_next_of_its_own_numbers() -> None:
    case = Case()
    assert case.changes.set(1, RAW) == (1, {"fit": 0, "look": 1}), "nothing has come, and no join forms anything"
    case.joins["scan"] = Formed(40)
    case.sources["b"].last_id = 7
    assert case.changes.set(2, RAW) == (40, {"fit": 40, "look": 8})


def test_steps_that_number_anew_are_what_others_go_by() -> None:
    behind = msgspec.structs.replace(FIT, name="look", inputs=(("", "fit"),), producers=(("", "fit"),))
    case = Case(wiring=Wiring(order(stages=(FIT, behind))))
    case.joins["scan"] = Formed(40)
    case.stages["fit"].renumbers, case.stages["fit"].next_number = True, 11
    assert case.changes.set(1, RAW) == (40, {"fit": 40, "look": 11})


def test_a_run_that_goes_on_counts_what_was_kept_of_it() -> None:
    case = Case(kept_ids={"b": 100}, by_stage={"fit": [Change(1, 60, RAW)]})
    case.joins["scan"] = Formed(5)
    assert case.changes.set(2, RAW) == (5, {"fit": 60, "look": 101}), "no change comes before the one before it"


def test_who_is_there_is_told_the_change_and_who_comes_all_of_them() -> None:
    case = Case()
    with actors("fit-0") as (there,), actors("fit-1") as (late,):
        case.stages["fit"].peers["fit-0"] = there.peer
        case.changes.set(1, RAW)
        case.joins["scan"] = Formed(3)
        case.changes.set(2, RAW)
        case.changes.tell(late.peer)
        for actor in (there, late):
            assert [(each.revision, each.from_event) for each in actor.take(Change)] == [(1, 0), (2, 3)]
