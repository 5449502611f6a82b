"""All stages of a run: who is held, who is replaced, who leaves, and what is said of who has died."""

from collections.abc import Iterator

import pytest

from penstock.services.builder_course import BuilderCourse
from penstock.services.orders import SinkOrder
from penstock.services.remote_fold import RemoteFold
from penstock.services.remote_stages import WATCH_NS, RemoteStages
from penstock.wire.envelopes import Close
from penstock.wire.supervision import RESTARTED
from tests.unit.services.floor_cases import closing
from tests.unit.services.test_remote_map import Stage


class Case(Stage):
    """A map stage with two workers, and a sink, among all stages."""

    def __init__(self) -> None:
        super().__init__(prefetch=1, deadline_s=1.0)
        self.course = BuilderCourse(is_going=True)
        self.stages = RemoteStages(self.course, self.floor.kill)
        self.stages.add_stage(self.stage, is_held=False)
        self.sink = RemoteFold(SinkOrder(name="file", input="fit"), self.floor)
        self.stages.add_sink(self.sink)

    def remarks(self) -> list[str]:
        return [f"{remark.what}: {remark.detail}" for entry in self.stage.entries.values() for remark in entry.remarks]


@pytest.fixture
def case() -> Iterator[Case]:
    with closing(Case()) as found:
        yield found


def test_stages_are_held_and_sinks_are_not(case: Case) -> None:
    case.stages.hold("", is_held=True)
    assert (case.stage.is_held, case.sink.is_held) == (True, False)
    case.stages.hold("other", is_held=False)
    assert case.stage.is_held
    case.stages.release()
    assert not case.stage.is_held


def test_what_nobody_was_given_is_discarded_and_counted(case: Case) -> None:
    case.give(case.events(2), case.events(2), case.events(3))
    assert case.stages.discard(0) == 3
    assert case.books() == {"aborted": 3, "in_flight": 4}


def test_who_keeps_nothing_of_its_own_is_replaced_and_others_are_not(case: Case) -> None:
    case.stages.renew(case["a"].peer)
    assert case.killed == [("a", RESTARTED)]
    assert case["a"].peer.is_renewed
    case["b"].peer.keeps_state = False
    case.stages.renew(case["b"].peer)
    assert len(case.killed) == 1
    assert case.remarks() == ["not restarted: b keeps something that a successor would not have"]


def test_a_worker_leaves_when_it_has_done_what_it_has(case: Case) -> None:
    case.give(case.events(1), case.events(1))
    case.stages.leave(case["a"].peer)
    case.stages.let_go(0)
    assert case["a"].take(Close) == []
    case.finish()
    case.stages.let_go(0)
    assert case["a"].take(Close) == [Close()]


def test_who_died_and_is_not_followed_is_remarked_while_others_do_its_work(case: Case) -> None:
    case.give(case.events(1))
    case.stages.lose(case["a"].peer, "it died", 0, is_replaced=False)
    case.gone.append(case.actors.pop("a"))
    case.stages.advance(0)
    assert case.remarks()[-1] == "given up: it died; the others do its work"
    case.finish()
    assert case.out.data[0][0] == 0
    case["b"].peer.is_closed = True
    case.stages.lose(case["b"].peer, "it ended", 0, is_replaced=False)
    assert case.stage.peers, "who had closed has nothing to take back"


def test_who_hangs_is_killed(case: Case) -> None:
    case.give(case.events(1))
    case.stages.watch(WATCH_NS)
    case.stages.watch(WATCH_NS + 1_000_000_001)
    assert [name for name, _ in case.killed] == ["a"]
