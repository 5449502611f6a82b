"""Map stages that go by the load, as the event builder sees them: what it measures, whom it asks for, who may go."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from penstock.core.map_part import CellColumn, MapPart
from penstock.core.staffing import Limits
from penstock.core.trigger_map import TriggerMap
from penstock.services.builder_staffing import HOPELESS_NS, BuilderStaffing
from penstock.wire import envelopes as wire
from penstock.wire import supervision as say
from tests.unit.services.floor_cases import closing
from tests.unit.services.test_remote_map import Stage

LOOK_NS = 250_000_000
S = 1_000_000_000


class Staffed(Stage):
    """A stage, who decides about its workers, and what that says to the supervisor."""

    def __init__(self, workers: int, *, maps: Any = None, **limits: Any) -> None:
        super().__init__("", maps)
        self.told: list[Any] = []
        self.peers: dict[str, Any] = {}
        self.staffing = BuilderStaffing(
            [(self.stage, Limits(most=4, **limits))], self.peers, tell=self.told.append, leave=self.leave
        )
        for number in range(workers):
            self.come(number)

    def come(self, number: int) -> None:
        self.peers[f"fit-{number}"] = self.enter(f"fit-{number}").peer

    def leave(self, peer: Any) -> None:
        self.stage.leave(peer.name)

    def live(self, seconds: float, *, works: bool = False) -> list[Any]:
        """Let time pass, and everybody work or not; return what was told."""
        before = len(self.told)
        for _ in range(round(seconds * S / LOOK_NS)):
            self.now += LOOK_NS
            if works:
                self.finish()
            self.stage.advance(self.now)
            self.staffing.look(self.now)
        return self.told[before:]


@contextmanager
def staffed(*arguments: Any, **options: Any) -> Iterator[Staffed]:
    with closing(Staffed(*arguments, **options)) as found:
        found.live(0.25)
        yield found


def test_who_is_at_work_all_the_time_while_events_wait_is_helped_and_nobody_else_until_help_has_come() -> None:
    with staffed(1) as stage:
        stage.give(*(stage.events(1) for _ in range(9)))
        assert stage.live(1) == [say.Hire("fit", 1, 2, "100% busy for 1 s while 8 wait")]
        assert stage.live(5) == []
        (report,) = stage.staffing.reports()
        assert (report.workers, report.coming, report.busy, report.waiting) == (1, 1, 1.0, 8)
        stage.come(1)
        assert stage.live(1) == [say.Hire("fit", 1, 3, "100% busy for 1 s while 7 wait")]
        assert stage.live(HOPELESS_NS / S) == [], "it asks again although one may be on the way"
        (again, *_) = stage.live(2)
        assert again == say.Hire("fit", 1, 3, "100% busy for 1 s while 7 wait")


def test_nobody_comes_while_results_are_not_taken_or_the_stage_is_held() -> None:
    with staffed(1) as stage:
        stage.give(*(stage.events(1) for _ in range(9)))
        stage.out.is_full = True
        assert stage.live(5) == []
        stage.out.is_full, stage.stage.is_held = False, True
        assert stage.live(5) == []
        stage.stage.is_held = False
        assert len(stage.live(2)) == 1


def test_who_has_nothing_to_do_leaves_with_what_it_has_done() -> None:
    with staffed(4) as stage:
        stage.give(*(stage.events(1) for _ in range(8)))
        stage.finish()
        stage.live(1)
        told = stage.live(10)
        assert told == [say.Dismiss("fit", ("fit-3", "fit-2", "fit-1"), 1, "at most 0 of 4 busy for 10 s")]
        assert {peer.name for peer in stage.stage.left(stage.now)} == {"fit-1", "fit-2", "fit-3"}
        assert stage.books() == {"done": 7, "filtered": 1}
        stage.give(stage.events(1))
        assert stage.numbers("fit-0") == [[8]]


def groups(size: int) -> dict[str, TriggerMap]:
    """A map without end, in which ``size`` events in a row go to one of two workers in turns."""
    column = CellColumn(
        present=np.ones(size, np.bool_), constraint=np.arange(size)[None] % 2,
        tags_code=np.zeros((1, size), np.int16),
    )  # fmt: skip
    return {"scan": TriggerMap({"two": MapPart({"a": column})}, is_endless=True)}


def test_who_has_a_group_is_given_nothing_else_and_leaves_when_that_is_over() -> None:
    with staffed(2, maps=groups(200), shrink_s=2) as stage:
        stage.give(stage.events(4))
        assert stage.live(3, works=True) == [], "both have events that are to stay with them"
        stage.give(stage.events(196))
        told = stage.live(2, works=True)
        assert [(each.names, each.workers) for each in told] == [(("fit-1",), 1)]
        stage.give(stage.events(4))
        stage.finish()
        assert stage.books()["done"] + stage.books()["filtered"] == 204


def test_while_who_is_too_many_ends_its_group_new_ones_go_to_others() -> None:
    with staffed(2, maps=groups(20), shrink_s=2) as stage:
        stage.give(stage.events(18))
        stage.live(3, works=True)
        stage.give(stage.events(12))  # the last of one group each, and the first of the next
        leases = {name: stage.numbers(name) for name in stage.peers}
        assert [n for numbers in leases["fit-1"] for n in numbers if n >= 20] == []
        stage.live(2, works=True)
        assert [each.names for each in stage.told] == [("fit-1",)]


@pytest.mark.parametrize("workers", [3, 0])
def test_a_number_is_kept_until_it_is_taken_back(workers: int) -> None:
    with staffed(1) as stage:
        stage.staffing.pin("fit", 3)
        assert stage.live(0.25) == [say.Hire("fit", 2, 3, "as asked")]
        stage.come(1)
        stage.come(2)
        stage.staffing.pin("fit", workers)
        told = stage.live(12)
        assert [each.names for each in told] == ([] if workers else [("fit-2", "fit-1")])
        assert stage.staffing.reports()[0].pinned == (workers or None)


def test_who_died_was_at_work_until_then() -> None:
    with staffed(2) as stage:
        stage.give(*(stage.events(1) for _ in range(4)))
        stage.now += S // 2
        stage.lose(stage["fit-0"])
        del stage.peers["fit-0"]
        assert wire.Lease in map(type, stage["fit-1"].hear())
        stage.now += S // 2
        stage.staffing.look(stage.now)
        assert stage.staffing.reports()[0].workers == 1
