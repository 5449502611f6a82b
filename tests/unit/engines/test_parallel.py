"""Parallel stages of the chains engine: threads, tasks and processes that do the same, and lose nothing."""

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.core.ledger import Account, Entry
from penstock.engines.chains import ChainsRun
from penstock.errors import CheckError
from penstock.pipeline import Pipeline, Source, Steps, Use
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import Answer
from tests.unit.engines import parallel_code as code
from tests.unit.engines.parallel_runs import accounts, drained, quick, ran, step_until

PLACES = ["thread", "process"]


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    code.KEPT.clear()


def chain(*steps: Any, source: Any = code.numbers, n: int = 10, **options: Any) -> Pipeline:
    return Pipeline(
        sources={"n": Source(source, n=n)},
        stages={"s": Steps(*steps, source="n", **{"workers": 2, **options}), "keep": Steps(code.keep, source="s")},
    )


STEPS: dict[str, tuple[list[Any], list[int]]] = {
    "functions": ([code.add, code.even], list(range(2, 201, 2))),
    "coroutines": ([code.add_async, code.add], list(range(2, 202))),
    "closures": ([Use(code.adder, n=2), code.add], list(range(3, 203))),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_kind_of_step_in_either_order(place: str) -> None:
    stages, wanted = {}, {}
    for kind, (steps, given) in STEPS.items():
        for order in ("kept", "free"):
            name = f"{kind}_{order}"
            stages[name] = Steps(*steps, source="n", workers=2, run_in=place, order=order)
            stages[f"keep_{name}"] = Steps(Use(code.keep_as, name=name), source=name)
            wanted[name] = given
    report = ran(Pipeline(sources={"n": Source(code.numbers, n=200)}, stages=stages))
    assert report.outcome == "finished"
    for name, given in wanted.items():
        kept = [item for label, item in code.KEPT if label == name]
        assert (kept if name.endswith("kept") else sorted(kept)) == given
        assert accounts(report, consumer=name).get("done") == len(given)
        assert sum(accounts(report, consumer=name).values()) == 200
    found = {(step.stage, step.step): (step.arrived, step.filtered, step.failed) for step in report.steps}
    assert found["functions_kept", "add"] == (200, 0, 0)
    assert found["functions_free", "even"] == (200, 100, 0)
    assert len(report.processes) == (12 if place == "process" else 0)
    assert all(process.max_rss_bytes > 0 and process.deaths == 0 for process in report.processes)


@pytest.mark.timeout(30)
def test_whoever_wakes_a_stage_just_before_it_forgets_that_it_was_woken_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chains = ChainsRun(chain(code.add, n=200).plan())
    chains.open()
    (feed,) = chains._cut.parallel
    read = os.eventfd_read

    def woken_meanwhile(fd: int) -> int:
        if fd == feed.waking._fd:
            feed.wake()
        return read(fd)

    monkeypatch.setattr(os, "eventfd_read", woken_meanwhile)
    while chains.step():
        pass
    chains.finish()
    assert list(range(1, 201)) == code.KEPT


@quick
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("on_error", "account"), [("skip", "failed"), ("dead_letter", "dead-lettered")])
def test_an_item_that_fails_is_given_up(place: str, on_error: str, account: str) -> None:
    report = ran(chain(code.three_is_wrong, run_in=place, on_error=on_error))
    assert code.KEPT == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert accounts(report) == {"done": 9, account: 1}
    assert report.exit_code == (3 if account == "dead-lettered" else 0)
    assert report.failures[0]["cause"] == "three_is_wrong: ValueError: three"
    assert "raise ValueError" in str(report.failures[0]["traceback"])
    assert report.failures[0]["item"] == "3"


@quick
@pytest.mark.parametrize("place", PLACES)
def test_an_error_ends_the_run_where_it_was(place: str) -> None:
    report = ran(chain(code.three_is_wrong, run_in=place, n=500))
    assert report.outcome == "failed"
    assert report.reasons[0] == "stage s: three_is_wrong: ValueError: three; the item was 3"
    assert code.KEPT == [0, 1, 2]
    assert accounts(report)["done"] == 3
    assert accounts(report)["failed"] == 1


@quick
@pytest.mark.parametrize("place", PLACES)
def test_what_fails_now_may_work_later(place: str, tmp_path: Path) -> None:
    report = ran(chain(Use(code.flaky, folder=str(tmp_path)), run_in=place, on_error="retry"))
    assert list(range(10)) == code.KEPT
    assert accounts(report) == {"done": 10}


# One that is slow


@quick
@pytest.mark.parametrize(
    ("place", "step"), [("thread", code.wait_for), ("thread", code.wait_for_async), ("process", code.wait_for)]
)
def test_one_slow_item_does_not_stop_others(place: str, step: Any, tmp_path: Path) -> None:
    n = 300
    steps = Steps(Use(step, folder=str(tmp_path)), source="n", workers=2, run_in=place, order="free")
    tell = Steps(Use(code.tell, folder=str(tmp_path), n=n), source="s")
    report = ran(Pipeline(sources={"n": Source(code.numbers, n=n)}, stages={"s": steps, "tell": tell}))
    assert report.outcome == "finished"
    assert code.KEPT[-1] == 0
    assert sorted(code.KEPT) == list(range(n))


# Workers that die


@quick
def test_the_items_of_a_worker_that_dies_are_given_again(tmp_path: Path) -> None:
    report = ran(chain(Use(code.die, folder=str(tmp_path)), run_in="process", n=100))
    assert report.outcome == "finished"
    assert list(range(100)) == code.KEPT
    assert accounts(report) == {"done": 100}
    assert sum(process.deaths for process in report.processes) == 1


@quick
@pytest.mark.parametrize("on_error", ["fail", "skip", "dead_letter"])
def test_an_item_that_kills_workers_is_given_up(on_error: str, tmp_path: Path) -> None:
    step = Use(code.die, folder=str(tmp_path), times=9)
    report = ran(chain(step, run_in="process", on_error=on_error, trips=2, n=100, workers=1))
    assert len(list(tmp_path.iterdir())) == 2
    cause = str(report.failures[0]["cause"])
    assert cause.startswith("2 workers died on it; the last: s-0 (process ")
    assert cause.endswith("was killed by SIGKILL")
    if on_error == "fail":
        assert report.outcome == "failed"
        assert report.reasons[0] == f"stage s: {cause}; the item was 3"
        assert code.KEPT == [0, 1, 2]
    else:
        assert report.outcome == "finished"
        assert [0, 1, 2, *range(4, 100)] == code.KEPT
        assert accounts(report) == {"done": 99, "failed" if on_error == "skip" else "dead-lettered": 1}


@quick
def test_a_worker_that_hangs_is_killed() -> None:
    report = ran(chain(code.hang, run_in="process", on_error="dead_letter", trips=1, deadline_s=0.5))
    assert report.outcome == "finished"
    assert code.KEPT == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert accounts(report) == {"done": 9, "dead-lettered": 1}
    assert "because it had not got on for 0.5 s" in str(report.failures[0]["cause"])


@quick
def test_workers_may_be_killed_from_outside_at_any_time() -> None:
    chains = ChainsRun(chain(code.add, run_in="process", source=code.endless, n=0).plan())
    chains.open()
    for deaths in range(1, 4):
        before = len(code.KEPT)
        step_until(chains, lambda: len(code.KEPT) > before + 100)  # noqa: B023 - called here and now
        step_until(chains, lambda: any(process.state == "processing" for process in chains.report().processes))
        os.kill(next(p.pid for p in chains.report().processes if p.state == "processing"), signal.SIGKILL)
        step_until(chains, lambda: sum(p.deaths for p in chains.report().processes) == deaths)  # noqa: B023 - likewise
    report = drained(chains)
    assert report.reasons == ["stopped on request"]
    assert list(range(1, len(code.KEPT) + 1)) == code.KEPT
    assert accounts(report) == {"done": len(code.KEPT)}


@quick
def test_steps_that_cannot_be_made_fail_the_run() -> None:
    report = ran(chain(Use(code.broken_maker, text="no"), run_in="process"))
    assert report.outcome == "failed"
    assert report.reasons[0] == "stage s: broken_maker could not be made: ValueError: no"


# What travels


@quick
def test_arrays_of_any_size_may_be_changed_in_another_process() -> None:
    report = ran(chain(code.fill, source=code.hits, n=5, run_in="process", workers=1))
    assert report.outcome == "finished", report.reasons
    assert [hit.n for hit in code.KEPT] == list(range(5))
    assert all(map(code.is_whole, code.KEPT))


def test_long_bytes_and_texts_come_back_as_they_are_and_only_those_that_fail_are_missing() -> None:
    report = ran(chain(code.all_but_some, source=code.long_bytes, n=120, run_in="process", on_error="skip"))
    assert report.outcome == "finished"
    assert [item for number, item in enumerate(code.long_bytes(120)) if number % 10 != 3] == code.KEPT
    assert accounts(report) == {"done": 108, "failed": 12}


@quick
@pytest.mark.parametrize("steps", [[code.no_traveller], [code.as_it_is]])
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_what_cannot_travel_is_named(steps: list[Any], on_error: str) -> None:
    source = code.numbers if steps == [code.no_traveller] else code.some_no_travellers
    report = ran(chain(*steps, source=source, run_in="process", on_error=on_error))
    what = "what came of an item" if source is code.numbers else "an item"
    cause = f"{what} is a builtin_function_or_method, which cannot travel between processes"
    assert str(report.failures[0]["cause"]).startswith(cause)
    if on_error == "fail":
        assert report.reasons[0].startswith(f"stage s: {cause}")
        assert code.KEPT == [0, 1, 2]
    else:
        assert code.KEPT == [0, 1, 2, 4, 5, 6, 7, 8, 9]
        assert accounts(report) == {"done": 9, "failed": 1}


@quick
def test_a_data_class_that_the_worker_cannot_import_is_named() -> None:
    report = ran(chain(code.as_it_is, source=code.strangers, run_in="process"))
    assert report.outcome == "failed"
    assert "stage s: an item cannot be read by s-" in report.reasons[0]
    assert "Stranger is not loaded here" in report.reasons[0]


# Books that are asked for while others keep them


def test_what_was_taken_and_is_not_counted_yet_has_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    is_taken, is_told = threading.Event(), threading.Event()
    arrive = Stage.arrive

    def arrive_when_told(stage: Stage, count: int) -> None:
        if stage.name == "s":
            is_taken.set()
            is_told.wait()
        arrive(stage, count)

    monkeypatch.setattr(Stage, "arrive", arrive_when_told)
    chains = ChainsRun(chain(code.add).plan())
    chains.open()
    try:
        step_until(chains, lambda: is_taken.is_set() and accounts(chains.report(), "instrument", "n") == {"done": 10})
        edge = chains.report().edge("n", "s")
    finally:
        is_told.set()
    assert (edge.arrived, edge.in_flight) == (10, 10)
    assert edge.waiting < 10
    assert drained(chains).edge("n", "s").accounts == {"done": 10}


def test_nobody_counts_between_two_looks_at_the_books(monkeypatch: pytest.MonkeyPatch) -> None:
    chains = ChainsRun(chain(code.add).plan())
    chains.open()
    while chains.step():
        pass
    look, stages = Entry.__getitem__, chains._cut.stages

    def look_late(entry: Entry, account: Account) -> int:
        for stage in stages.values():  # as threads do that get their turn just now
            if stage.entry is entry and stage.books.acquire(blocking=False):
                entry.arrive(1)
                stage.books.release()
        return look(entry, account)

    with monkeypatch.context() as patched:
        patched.setattr(Entry, "__getitem__", look_late)
        report = chains.report()
    assert report.adds_up
    assert chains.finish().edge("n", "s").accounts == {"done": 10}


# Ends, parameters, hooks


@quick
@pytest.mark.parametrize("place", PLACES)
def test_parameters_reach_workers_while_they_run(place: str) -> None:
    chains = ChainsRun(chain(code.Above, run_in=place, source=code.endless, n=0).plan(), values={"above": 5})
    chains.open()
    step_until(chains, lambda: bool(code.KEPT))
    assert code.KEPT[0] == 6
    chains.set({"above": 10**12}, lambda _: None)
    step_until(chains, lambda: chains.report().steps[0].filtered > 1000)
    report = drained(chains)
    assert report.reasons == ["stopped on request"]
    assert report.adds_up
    assert accounts(report)["done"] == len(code.KEPT)


@quick
@pytest.mark.parametrize("place", PLACES)
def test_every_copy_is_closed(place: str, tmp_path: Path) -> None:
    ran(chain(Use(code.Closing, folder=str(tmp_path)), run_in=place, workers=3))
    assert len(list(tmp_path.iterdir())) == 3


@quick
@pytest.mark.parametrize(("place", "step"), [("thread", code.add), ("thread", code.add_async), ("process", code.add)])
def test_what_has_come_is_brought_out(place: str, step: Any) -> None:
    chains = ChainsRun(chain(step, run_in=place, source=code.endless, n=0, order="free").plan())
    chains.open()
    step_until(chains, lambda: len(code.KEPT) > 10)
    report = drained(chains)
    assert report.reasons == ["stopped on request"]
    assert sorted(code.KEPT) == list(range(1, len(code.KEPT) + 1))
    assert accounts(report) == {"done": len(code.KEPT)}


@pytest.mark.parametrize(
    ("place", "step"), [("thread", code.hang_async), ("process", code.hang), ("process", code.hang_async)]
)
def test_who_does_not_come_back_is_not_waited_for(place: str, step: Any) -> None:
    chains = ChainsRun(replace(chain(step, run_in=place, n=100).plan(), stop_s=0.1))
    chains.open()
    step_until(chains, lambda: len(code.KEPT) == 3)
    report = drained(chains)
    assert "still at work when the time was over: s" in report.reasons
    assert report.adds_up
    assert accounts(report)["done"] == 3
    assert accounts(report)["aborted"] == 97


@pytest.mark.parametrize("place", PLACES)
def test_it_is_given_up_at_once(place: str) -> None:
    chains = ChainsRun(chain(code.add, run_in=place, source=code.endless, n=0).plan())
    chains.open()
    step_until(chains, lambda: bool(code.KEPT))
    chains.abort()
    report = chains.finish()
    assert report.adds_up
    assert report.outcome == "aborted"
    assert list(range(1, len(code.KEPT) + 1)) == code.KEPT
    assert accounts(report)["done"] == len(code.KEPT)


# What is refused


@pytest.mark.parametrize(
    ("steps", "options", "text"),
    [
        ([code.pairs], {}, "pairs is a generator, and each worker would see its own share of the items only"),
        ([code.Buffer], {"run_in": "process"}, "Buffer is a buffer, and each worker would see"),
        ([lambda item: item], {"run_in": "process"}, "it is a lambda, which has no name"),
        ([code.add], {"run_in": "inline"}, "inline is one thread, which has no workers"),
        ([code.pairs], {"workers": {"from": 1, "to": 2}}, "pairs is a generator, and each worker would see"),
    ],
)
def test_what_workers_cannot_do_is_refused(steps: list[Any], options: dict[str, Any], text: str) -> None:
    with pytest.raises(CheckError, match=text):
        chain(*steps, **options).plan()


def test_a_maker_of_generators_is_refused_when_it_has_made_one() -> None:
    report = ran(chain(code.pairs_maker))
    assert report.outcome == "failed"
    assert "pairs_maker is a generator, which sees the items of one worker only" in report.reasons[0]


def test_without_a_place_workers_are_threads() -> None:
    assert chain(code.add).plan().stages["s"].run_in == "thread"
    assert chain(code.add, workers=1).plan().stages["s"].run_in == "inline"
    assert chain(code.add, workers={"from": 1, "to": 2}).plan().stages["s"].run_in == "thread"


@quick
@pytest.mark.timeout(60)
def test_a_worker_that_is_done_when_it_is_asked_to_give_back_is_given_more(monkeypatch: pytest.MonkeyPatch) -> None:
    # With all its items said in the same turn, nothing else would have woken the stage.
    recall, hear = ProcessHand.recall, ProcessHand.hear
    heard: list[Answer] = []

    def recall_and_wait(hand: ProcessHand) -> None:
        recall(hand)
        (feed,) = chains._cut.parallel
        while hand.is_recalling or sum(len(a.outcomes) for a in heard) + hand._returned < sum(
            feed.staff.desks[0].spans
        ):
            heard.extend(hear(hand))

    def hear_all(hand: ProcessHand) -> list[Answer]:
        found = heard + hear(hand)
        heard.clear()
        return found

    monkeypatch.setattr(ProcessHand, "recall", recall_and_wait)
    monkeypatch.setattr(ProcessHand, "hear", hear_all)
    for module in ("desk", "pace"):
        monkeypatch.setattr(f"penstock.services.strands.{module}.RECALL_NS", 0)
    chains = ChainsRun(chain(code.add, n=5000, run_in="process", workers=1).plan())
    chains.open()
    while chains.step():
        pass
    assert chains.finish().outcome == "finished"
    assert list(range(1, 5001)) == code.KEPT
