"""Faults: a worker whose memory grows, an hour in which nobody listens, data that come when nobody wants them."""

import json
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from penstock.core.command import Command
from penstock.engines.chains import ChainsRun
from penstock.engines.handle import Run
from penstock.monitor.report import ProcessReport, RunReport
from penstock.pipeline import Alarm, Join, Map, Pipeline, Reduce, Source, Steps
from penstock.services.control_call import call
from penstock.services.usage import usage_of
from penstock.services.watching import MOST_NOTICES, Watching
from penstock.services.web_service import WebService
from penstock.testing import engine_cases as cases
from tests.system import controlled, faulty
from tests.system.commands import assert_adds_up, started

LONGEST_S = 60.0
MB = 1_000_000
LEAKED = faulty.LEAKS * faulty.LEAK_BYTES
S = 1_000_000_000
HOUR_S = 3600
KEPT: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    KEPT.clear()


def until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < end_s, "it never came to that"
        time.sleep(0.02)


def keep(item: int) -> int:
    KEPT.append(item)
    return item


# A worker that leaks


def leaking(engine: str) -> Pipeline:
    alarms = {"leak": Alarm(f"fit.largest_bytes > {LEAKED}", level="error", text="a worker has {fit.largest_bytes} B")}
    if engine == "chains":
        return Pipeline(
            sources={"n": Source(faulty.steadily)},
            stages={"fit": Steps(faulty.Leaky, source="n", run_in="process"), "kept": Steps(keep, source="fit")},
            alarms=alarms,
        )
    return Pipeline(
        sources={"n": Source(controlled.Paced, rate=200, block=1)},
        events={"scan": Join("n", by="order")},
        stages={"fit": Map(faulty.LeakyWorker, source="scan"), "sum": Reduce(cases.Sum, source="fit")},
        alarms=alarms,
    )


def worker(run: Run) -> ProcessReport:
    (found,) = [each for each in run.statistics().processes if each.name == "fit-0"]
    return found


def state_of_alarm(run: Run) -> str:
    return str(run.statistics().alarms[0].state)


def test_a_worker_that_leaks_raises_an_alarm_and_is_replaced_without_loss() -> None:
    with ExitStack() as stack:
        runs = {engine: stack.enter_context(leaking(engine).start(engine)) for engine in ("chains", "local")}
        for run in runs.values():  # both at once, as the kernel is asked for memory only now and then
            until(lambda: state_of_alarm(run) == "raised")  # noqa: B023 - called here and now
            leaky = worker(run)
            assert leaky.private_bytes > LEAKED
            assert run.statistics().alarms[0].text.startswith("a worker has ")
            assert run.command("restart", "fit-0", who="shift").is_done
            until(lambda: worker(run).pid not in (0, leaky.pid) and worker(run).private_bytes > 0)  # noqa: B023
            assert worker(run).private_bytes < leaky.private_bytes - LEAKED * 0.8
            until(lambda: state_of_alarm(run) == "normal")  # noqa: B023
        numbers = {}
        for engine, run in runs.items():
            run.stop()
            report = run.wait(LONGEST_S)
            assert report.adds_up
            accounts = {name for edge in report.edges for name in edge.accounts}
            assert accounts <= {"done", "joined"}, "nothing was lost"
            assert report.notice_counts.get("alarm", 0) == 0, "restarted, and not dead"
            numbers[engine] = KEPT if engine == "chains" else run.views("sum")["order"]["numbers"].array.tolist()
    for found in numbers.values():
        assert found == list(range(len(found)))
        assert len(found) > faulty.LEAKS


# An hour in which nobody listens


class Hurried:
    """A clock of which a test lets seconds pass."""

    def __init__(self) -> None:
        self.passed_s = 0

    def __call__(self) -> int:
        return self.passed_s * S


def memory(web: WebService) -> dict[str, int]:
    """What the run's own process and that of its views have of their own, in bytes."""
    assert web.pid is not None
    return {"run": usage_of().private_bytes, "web": usage_of(web.pid).private_bytes}


def test_an_hour_of_messages_that_nobody_takes_holds_no_run_up_and_fills_no_memory() -> None:
    """As many notices as an hour lets through, and a report for each of its seconds, as fast as they can be made."""
    a_second = 100  # of one level are let through
    pipeline = Pipeline(
        sources={"n": Source(faulty.endlessly)},
        stages={
            "here": Steps(faulty.talkative, source="n"),
            "far": Steps(faulty.talkative, source="here", run_in="process"),
        },
        alarms={"always": Alarm("run.duration_s > 0"), "never": Alarm("far.loss > 0")},
    )
    clock = Hurried()
    before: dict[str, int] = {}
    with WebService(port=0) as web:
        chains = ChainsRun(pipeline.plan(), web=web)
        chains.watching = Watching(chains.plan, chains.state.id, utc=clock, monotonic=clock)
        chains.open()
        while (notices := 2 * chains.report().edge("here", "far").arrived) < a_second * HOUR_S:
            clock.passed_s += 1
            assert chains.step(0.01)
            if not before and notices > a_second * HOUR_S / 10:
                before = memory(web)
        chains.hold("n")  # or reports take turns with it
        while clock.passed_s < HOUR_S:
            clock.passed_s += 1
            assert chains.step(0.0)
        after = memory(web)
        report = drained(chains)
    assert (report.outcome, report.reasons) == ("aborted", ["stopped on request"])
    assert report.adds_up
    count = report.edge("here", "far").accounts["done"]
    assert sum(report.notice_counts.values()) == 2 * count
    assert len(chains.watching.notices()) == MOST_NOTICES
    assert len(chains.watching.past(most=2 * HOUR_S)["times"]) == HOUR_S + 1  # with the moment at which it began
    for name, had in before.items():
        assert after[name] - had < 20 * MB, (
            f"{name}: what is kept of {2 * count} notices and {HOUR_S} reports has no end"
        )


def drained(chains: ChainsRun) -> RunReport:
    chains.drain()
    while chains.step():
        pass
    return chains.finish()


# Data before the start and after the stop

FILE = """\
name: sent
sources: {items: {use: zmq-pull, bind: "ADDRESS", encoding: json}}
stages: {kept: {from: items, steps: [{every: {n: 1}}]}}
sinks: {out: {use: json-lines, from: kept, path: out.jsonl}}
control: {zmq: "tcp://127.0.0.1:0"}
"""


def test_what_is_sent_before_the_start_and_after_the_stop_waits(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/items"
    (tmp_path / "p.yaml").write_text(FILE.replace("ADDRESS", address))
    out = tmp_path / "out.jsonl"

    def written() -> list[int]:
        return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []

    with (
        zmq.Context() as context,
        context.socket(zmq.PUSH) as sender,
        started("run", "p.yaml", "--held", "--report", "report.json", folder=tmp_path) as process,
    ):
        sender.linger = 0
        sender.connect(address)
        commands = process.line("commands: ").split()[-1]

        def command(name: str) -> None:
            assert call(commands, Command(name=name, id=f"{name} {time.monotonic_ns()}"), patience_s=LONGEST_S).is_done

        def send(first: int, last: int) -> None:
            for number in range(first, last):
                sender.send_string(str(number))

        send(0, 200)
        assert call(commands, Command(name="status", id="0")).state == "waiting"
        assert written() == []
        command("start")
        until(lambda: len(written()) == 200)
        command("stop")
        send(200, 400)
        command("start")
        until(lambda: len(written()) == 400)
        command("stop")
        send(400, 500)
        process.process.send_signal(signal.SIGTERM)
        said = process.end(tmp_path / "report.json")
    assert (said.code, said.report["outcome"]) == (130, "aborted")
    assert_adds_up(said)
    arrived = said.edge("items", "kept")
    assert arrived == {"in": len(written()), "done": len(written())}
    assert written() == list(range(len(written()))), "all that was taken in, once and in order"
    assert len(written()) >= 400
