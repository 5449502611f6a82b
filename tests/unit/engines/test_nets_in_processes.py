"""Generators and buffers in a process of their own: they give what they give in a fused chain, and lose nothing."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.engines.chains import ChainsRun, run
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps, Use
from tests.unit.engines import net_code as code
from tests.unit.engines import parallel_code
from tests.unit.engines.parallel_runs import accounts, drained, quick, ran, step_until

pytestmark = quick


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    code.KEPT.clear()


def chain(*steps: Any, source: Any = None, **options: Any) -> Pipeline:
    return Pipeline(
        sources={"n": source or Source(parallel_code.numbers, n=20)},
        stages={"s": Steps(*steps, source="n", **options), "keep": Steps(code.keep, source="s")},
    )


def found_by(report: RunReport) -> tuple[list[Any], Mapping[str, int], list[tuple[Any, ...]]]:
    """Return what came out, the books, and what each step saw."""
    steps = [(step.step, step.arrived, step.filtered, step.failed) for step in report.steps]
    return code.KEPT.copy(), accounts(report), steps


def fused(*steps: Any, **options: Any) -> tuple[list[Any], Mapping[str, int], list[tuple[Any, ...]]]:
    """Return what a fused chain gives."""
    found = found_by(run(chain(*steps, **options).plan()))
    code.KEPT.clear()
    return found


CHAINS: dict[str, list[Any]] = {
    "filter": [code.even],
    "flat-map": [code.twice],
    "batch": [code.batch],
    "factory": [Use(code.batch_of, n=7), code.flat, Use(code.adder, n=2)],
    "end": [code.at_the_end],
    "same array": [code.same_array, code.numbers_of],
    "functions around": [code.sevens_out, code.even, code.sevens_out],
    "coroutine before": [code.add_async, code.batch],
    "async generator": [code.twice_async],
    "async batch": [code.sevens_out, code.add_async, code.pairs_async],
    "async behind": [code.twice, code.twice_async, code.batch],
    "buffer": [code.Buffer],
    "async buffer": [code.AsyncBuffer],
    "queues": [Use(code.queue_of, most=3), Use(code.queue_async_of, most=2)],
    "buffer within": [code.sevens_out, code.Buffer, code.batch, code.AsyncBuffer, code.flat],
    "window": [Use("window", n=5, step=2)],
    "library": [Use("batch", n=4), "flatten", Use("every", n=2), Use("window", n=3)],
}


@pytest.mark.parametrize("kind", CHAINS)
def test_a_process_gives_what_a_fused_chain_gives(kind: str) -> None:
    wanted = fused(*CHAINS[kind])
    report = ran(chain(*CHAINS[kind], run_in="process"))
    assert report.outcome == "finished", report.reasons
    assert found_by(report) == wanted
    assert all(step.mean_s is not None for step in report.steps)
    assert [(process.name, process.deaths) for process in report.processes] == [("s-0", 0)]


def test_every_stage_may_be_a_process() -> None:
    def stages(**options: Any) -> Pipeline:
        return Pipeline(
            sources={"n": Source(parallel_code.numbers, n=500)},
            stages={
                "a": Steps(code.twice, code.sevens_out, source="n", **options),
                "b": Steps(code.twice_async, Use(code.batch, n=5), source="a", **options),
                "c": Steps(code.flat, code.Buffer, source="b", **options),
                "keep": Steps(code.keep, source="c"),
            },
        )

    run(stages().plan())
    wanted = code.KEPT.copy()
    code.KEPT.clear()
    report = ran(stages(run_in="process"))
    assert wanted == code.KEPT
    assert len(wanted) > 1000
    assert [process.name for process in report.processes] == ["a-0", "b-0", "c-0"]
    assert accounts(report, "b", "c") == {"done": report.edge("b", "c").arrived}


# Errors


@pytest.mark.parametrize("steps", [[code.fours_break], [code.fours_break_async], [code.four_is_wrong, code.batch]])
@pytest.mark.parametrize("on_error", ["skip", "retry", "dead_letter"])
def test_what_fails_is_given_up_as_in_a_fused_chain(steps: list[Any], on_error: str) -> None:
    options = {"on_error": on_error, "retry_s": 0.001}
    wanted = fused(*steps, **options)
    report = ran(chain(*steps, run_in="process", **options))
    assert report.outcome == "finished"
    assert found_by(report) == wanted
    assert sum(count for account, count in wanted[1].items() if account != "done") in (1, 5)
    cause, traceback = str(report.failures[0]["cause"]), str(report.failures[0]["traceback"])
    assert "ValueError: " in cause
    assert "raise ValueError" in traceback
    assert len(report.dead_letters) == (0 if on_error == "skip" else len(report.failures))


@pytest.mark.parametrize("steps", [[code.fours_break], [code.fours_break_async], [code.four_is_wrong, code.batch]])
def test_an_error_ends_the_run_where_it_was(steps: list[Any]) -> None:
    wanted = fused(*steps)
    report = ran(chain(*steps, run_in="process"))
    assert report.outcome == "failed"
    assert report.reasons[0].startswith("stage s: four")
    assert wanted[0] == code.KEPT
    assert {name: accounts(report)[name] for name in ("done", "failed")} == {
        name: wanted[1][name] for name in ("done", "failed")
    }


def test_a_generator_may_end_by_itself() -> None:
    report = ran(chain(code.first_three, run_in="process"))
    assert code.KEPT == [0, 1, 2]
    assert report.reasons == ["17 items before s were given up"]
    assert accounts(report) == {"done": 3, "aborted": 17}


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_what_cannot_travel_is_named(on_error: str) -> None:
    report = ran(chain(code.no_traveller, run_in="process", on_error=on_error))
    cause = "what came of an item is a builtin_function_or_method, which cannot travel between processes"
    assert str(report.failures[0]["cause"]).startswith(cause)
    assert report.steps[0].failed == 1
    if on_error == "fail":
        assert report.reasons[0].startswith(f"stage s: {cause}")
        assert code.KEPT == [0, 1, 2]
    else:
        assert [0, 1, 2, *range(4, 20)] == code.KEPT
        assert accounts(report) == {"done": 20}


def test_a_data_class_that_the_process_cannot_import_is_named() -> None:
    report = ran(chain(code.batch, source=Source(parallel_code.strangers, n=5), run_in="process"))
    assert report.outcome == "failed"
    assert "stage s: an item cannot be read by s-0" in report.reasons[0]


# Deaths


def test_what_a_process_had_that_dies_is_given_to_another(tmp_path: Path) -> None:
    source = Source(parallel_code.numbers, n=100)
    report = ran(chain(Use(code.die, folder=str(tmp_path)), source=source, run_in="process"))
    assert report.outcome == "finished", report.reasons
    assert list(range(100)) == code.KEPT
    assert accounts(report) == {"done": 100}
    assert [process.deaths for process in report.processes] == [1]


@pytest.mark.parametrize("on_error", ["fail", "skip", "dead_letter"])
def test_an_item_that_kills_processes_is_given_up(on_error: str, tmp_path: Path) -> None:
    step = Use(code.die, folder=str(tmp_path), times=9)
    report = ran(chain(step, run_in="process", on_error=on_error, trips=2))
    assert len(list(tmp_path.iterdir())) == 2
    cause = str(report.failures[-1]["cause"])
    assert cause.startswith("2 workers died on it; the last: s-0 (process ")
    assert report.failures[-1]["item"] == "3"
    if on_error == "fail":
        assert report.outcome == "failed"
        assert report.reasons[0] == f"stage s: {cause}; the item was 3"
        assert code.KEPT == [0, 1, 2]
    else:
        assert report.outcome == "finished"
        assert [0, 1, 2, *range(4, 20)] == code.KEPT
        assert accounts(report) == {"done": 19, "failed" if on_error == "skip" else "dead-lettered": 1}


@pytest.mark.parametrize("step", [code.hang, code.hang_async])
def test_a_process_that_hangs_is_killed(step: Any) -> None:
    report = ran(chain(step, run_in="process", on_error="dead_letter", trips=1, deadline_s=0.5))
    assert report.outcome == "finished"
    assert [0, 1, 2, *range(4, 20)] == code.KEPT
    assert accounts(report) == {"done": 19, "dead-lettered": 1}
    assert "because it had not got on for 0.5 s" in str(report.failures[-1]["cause"])


@pytest.mark.parametrize("step", [code.twice, code.Buffer])
def test_a_process_may_be_killed_from_outside_at_any_time(step: Any) -> None:
    chains = ChainsRun(chain(step, run_in="process", source=Source(parallel_code.endless)).plan())
    chains.open()
    for deaths in range(1, 4):
        before = len(code.KEPT)
        step_until(chains, lambda: len(code.KEPT) > before + 100)  # noqa: B023 - called here and now
        step_until(chains, lambda: chains.report().processes[0].state == "processing")
        os.kill(chains.report().processes[0].pid, signal.SIGKILL)
        step_until(chains, lambda: chains.report().processes[0].deaths == deaths)  # noqa: B023 - likewise
    report = drained(chains)
    assert report.adds_up
    assert report.reasons == ["stopped on request"]
    assert accounts(report) == {"done": report.edge("n", "s").arrived}
    assert sorted(code.KEPT, key=abs) == code.KEPT, "in order"
    if step is code.twice:
        assert {abs(item) for item in code.KEPT} == set(range(report.edge("n", "s").arrived)), "all of them"
    lost = [str(failure["cause"]) for failure in report.failures]
    assert all(cause.endswith("what its generators and buffers had kept is lost") for cause in lost)


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_process_that_dies_while_it_brings_out_the_rest_is_named(on_error: str) -> None:
    report = ran(chain(code.die_at_the_end, run_in="process", on_error=on_error))
    assert list(range(20)) == code.KEPT
    assert accounts(report) == {"done": 20}
    assert str(report.failures[0]["cause"]).endswith("what its generators and buffers had kept is lost")
    assert report.outcome == ("failed" if on_error == "fail" else "finished")


def test_a_process_that_dies_before_it_takes_anything_fails_the_run() -> None:
    report = ran(chain(code.die_at_once, run_in="process", on_error="skip"))
    assert report.outcome == "failed"
    assert "was killed by SIGKILL" in report.reasons[0]


# Parameters, hooks, ends


def test_parameters_reach_a_generator_while_it_runs() -> None:
    source = Source(parallel_code.endless)
    chains = ChainsRun(chain(code.Above, run_in="process", source=source).plan(), values={"above": 5})
    chains.open()
    step_until(chains, lambda: bool(code.KEPT))
    assert code.KEPT[0] == 6
    chains.set({"above": 10**12}, lambda _: None)
    step_until(chains, lambda: chains.report().steps[0].arrived > len(code.KEPT) + 5000)
    report = drained(chains)
    assert report.adds_up
    assert accounts(report) == {"done": report.edge("n", "s").arrived}


def test_a_parameter_reaches_a_process_that_is_given_nothing() -> None:
    chains = ChainsRun(chain(code.LatestEver, run_in="process").plan())
    chains.open()
    step_until(chains, lambda: bool(code.KEPT))
    assert code.KEPT[-1] == 0
    chains.set({"value": 7}, lambda _: None)
    step_until(chains, lambda: code.KEPT[-1] == 7)
    chains.abort()
    assert chains.finish().adds_up


def test_hooks_are_called(tmp_path: Path) -> None:
    folder = str(tmp_path)
    steps = [Use(code.Ticking, folder=folder), code.Buffer]
    report = ran(chain(*steps, source=Source(code.once_ticked, folder=folder), run_in="process"))
    assert report.outcome == "finished"
    assert len(list(tmp_path.glob("closed-*"))) == 1


@pytest.mark.parametrize("steps", [[code.twice], [code.twice_async], [code.Buffer], [code.add_async, code.twice]])
def test_what_has_come_is_brought_out(steps: list[Any]) -> None:
    chains = ChainsRun(chain(*steps, run_in="process", source=Source(parallel_code.endless)).plan())
    chains.open()
    step_until(chains, lambda: len(code.KEPT) > 10)
    report = drained(chains)
    assert report.adds_up
    assert report.reasons == ["stopped on request"]
    arrived = report.edge("n", "s").arrived
    assert accounts(report) == {"done": arrived}
    assert len(code.KEPT) == arrived * (1 if steps == [code.Buffer] else 2)


@pytest.mark.parametrize("step", [code.hang, code.hang_async])
def test_it_is_given_up_at_once(step: Any) -> None:
    chains = ChainsRun(chain(step, run_in="process").plan())
    chains.open()
    step_until(chains, lambda: len(code.KEPT) == 3)
    chains.abort()
    report = chains.finish()
    assert report.adds_up
    assert report.outcome == "aborted"
    assert accounts(report)["aborted"] == 17
    assert all(process.pid == 0 for process in report.processes)


@pytest.mark.parametrize("step", [code.twice, code.twice_async, code.AsyncBuffer])
def test_what_is_done_goes_on_while_nothing_comes(step: Any, tmp_path: Path) -> None:
    folder = str(tmp_path)
    n = 2 if step is code.AsyncBuffer else 4
    tell = Steps(Use(code.tell, folder=folder, n=n), source="s")
    steps = Steps(step, source="n", run_in="process")
    report = ran(Pipeline(sources={"n": Source(code.two_and_wait, folder=folder)}, stages={"s": steps, "t": tell}))
    assert report.outcome == "finished"
    assert len(code.KEPT) == n


def test_more_may_be_given_than_is_taken() -> None:
    steps = Steps(Use(code.many, n=5000), source="n", run_in="process")
    sources = {"n": Source(parallel_code.numbers, n=4)}
    stages = {"s": steps, "keep": Steps(code.total, code.keep, source="s")}
    report = ran(Pipeline(sources=sources, stages=stages))
    assert [1000.0 * item for item in range(4) for _ in range(5000)] == code.KEPT
    assert accounts(report) == {"done": 4}
