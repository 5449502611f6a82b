"""The attendant obeys commands, publishes states in rta-dp's order, measures, and is never held up."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import zmq

from penstock.compat.rtadp import control as controls
from penstock.compat.rtadp.control import Control
from penstock.compat.rtadp.messages import encode_command, encode_configuration
from penstock.core.parameters import Change
from penstock.core.run import Outcome
from penstock.errors import ParameterError
from penstock.monitor.report import EdgeReport, RunReport, StateReport, StepReport, books_of_nothing
from tests.unit.compat.rtadp.test_crew import _nobody_left, process

__all__ = ["_nobody_left"]

KEYS = [
    "header", "workermanagerstatus", "procinfo", "queue_lp_size", "queue_hp_size", "stopdatainput",
    "queue_lp_result_size", "queue_hp_result_size", "workersstatusinit", "workersstatus", "workersname",
    "worker_rates", "worker_tot_events", "worker_status",
]  # fmt: skip


def edge(producer: str, consumer: str, waiting: int) -> EdgeReport:
    return EdgeReport(
        producer=producer, consumer=consumer, arrived=waiting, accounts={}, in_flight=waiting, counters={},
        rate_per_s=0.0, remarks=[], waiting=waiting,
    )  # fmt: skip


class Run:
    """A run that notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.waits = 0
        self.counts = {"Rate-0": 0, "Rate-1": 0}
        self.states: list[StateReport] = []
        self.failed = 0
        self.refuses = False

    def hold(self, name: str) -> None:
        self.asked.append(f"hold {name}")

    def release(self, name: str) -> None:
        self.asked.append(f"release {name}")

    def discard(self, then: Callable[[int], None]) -> None:
        self.asked.append("discard")
        then(self.waits)

    def drain(self, reason: str = "", *, outcome: Outcome | None = Outcome.ABORTED) -> None:
        self.asked.append(("drain", reason, outcome))

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        if self.refuses:
            raise ParameterError("no such parameter")
        self.asked.append((dict(values), who))

    def report(self) -> RunReport:
        report = books_of_nothing("RTADP1", "r")
        step = StepReport(stage="Rate", step="Worker", arrived=9, filtered=0, failed=self.failed, rate_per_s=0.0)
        failures = [{"stage": "Rate", "cause": "Worker: ValueError: bad item"}] * self.failed
        return RunReport(
            **{
                **{name: getattr(report, name) for name in report.__struct_fields__},
                "edges": [edge("low", "Rate", 3), edge("high", "Rate", 4), edge("Rate.low", "Rate_low", 5)],
                "steps": [step],
                "failures": failures,
                "states": self.states,
            }
        )

    def begun(self) -> Mapping[str, int]:
        return MappingProxyType(self.counts)


class Bench:
    """An attendant with somebody who commands and somebody who monitors."""

    def __init__(self, folder: Path, context: "zmq.Context[Any]", supervisor: str = "Sup") -> None:
        self.commands, self.monitor = context.socket(zmq.XPUB), context.socket(zmq.PULL)
        self.commands.sndhwm = 0  # a publisher drops what is beyond it
        ports = [socket.bind_to_random_port("tcp://127.0.0.1") for socket in (self.commands, self.monitor)]
        command, monitoring = (f"tcp://127.0.0.1:{port}" for port in ports)
        it = process(folder, supervisor, monitoring_socket=monitoring, command_socket=command)
        analysis = {
            "stage": "Rate", "name": "Rate", "group": "worker", "workers": 2,
            "lanes": {"high": "high", "low": "low"}, "sinks": {"low": "Rate_low"},
        }  # fmt: skip
        self.control = Control(it.written, command, monitoring, [analysis], "Worker", ["high", "low"])
        self.control.folder = it.folder
        self.run = Run()
        self.has_left = False
        self.pollables = self.control.attend(self.run)
        assert self.commands.poll(30_000), "it subscribes"
        assert self.commands.recv() == b"\x01"

    def leave(self) -> None:
        """Let the attendant go, once."""
        if not self.has_left:
            self.has_left = True
            self.control.leave(self.run.report())
            self.commands.close(0)

    @property
    def desk(self) -> Any:
        return self.control._desk

    def send(self, data: bytes | list[bytes]) -> None:
        self.commands.send_multipart(data if isinstance(data, list) else [data])

    def command(self, subtype: str, target: str = "all") -> None:
        self.send(encode_command(subtype, "CommandCenter", target, time_s=1.0))
        self.wait()

    def wait(self) -> None:
        """Wait until something has come, and let it be done."""
        assert self.pollables[0].poll(30_000)
        self.control.poll()

    def heard(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            assert self.monitor.poll(30_000), f"only {found}"
            found.append(json.loads(self.monitor.recv()))
        return found

    def states(self, count: int) -> list[tuple[str, str]]:
        found = self.heard(count)
        for message in found:
            assert (message["header"]["type"], message["body"]["level"], message["body"]["code"]) == (5, 1, 1)
        return [(message["header"]["pidsource"], message["body"]["message"]) for message in found]


@pytest.fixture
def context() -> Iterator["zmq.Context[Any]"]:
    with zmq.Context() as context:
        yield context
        context.destroy(linger=0)


@pytest.fixture
def bench(tmp_path: Path, context: "zmq.Context[Any]", monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(controls, "PERIOD_S", 1e6)
    with opened(tmp_path, context) as found:
        yield found


@contextmanager
def opened(folder: Path, context: "zmq.Context[Any]", supervisor: str = "Sup") -> Iterator[Bench]:
    found = Bench(folder, context, supervisor)
    yield found
    found.leave()
    found.monitor.close(0)


def begun(bench: Bench) -> Bench:
    bench.heard(3)
    bench.run.asked.clear()
    return bench


SUP, MGR = "RTADP1", "RTADP1-Rate"


def test_it_begins_with_everything_held(bench: Bench) -> None:
    assert bench.run.asked == ["hold high", "hold low", "hold Rate"]
    assert bench.states(3) == [(SUP, "Initialised"), (MGR, "Initialised"), (SUP, "Waiting")]


def test_states_are_published_in_the_golden_order(bench: Bench) -> None:
    begun(bench)
    golden = {
        "startdata": [(MGR, "Wait for processing")],
        "startprocessing": [(SUP, "Processing"), (MGR, "Processing")],
        "stopdata": [(MGR, "Wait for data")],
        "stopprocessing": [(SUP, "Waiting"), (MGR, "Initialised")],
        "start": [(SUP, "Processing"), (MGR, "Wait for data"), (MGR, "Processing")],
        "stop": [(MGR, "Wait for data"), (SUP, "Waiting"), (MGR, "Initialised")],
        "reset": [(MGR, "Wait for data"), (SUP, "Waiting"), (MGR, "Initialised"), (SUP, "Waiting")],
    }
    for subtype, expected in golden.items():
        if subtype == "reset":
            bench.command("start")
            assert bench.states(3) == golden["start"]
        bench.command(subtype)
        assert bench.states(len(expected)) == expected, subtype
    assert bench.run.asked == [
        "release high", "release low", "release Rate", "hold high", "hold low", "hold Rate",
        "release Rate", "release high", "release low", "hold high", "hold low", "hold Rate",
        "release Rate", "release high", "release low", "hold high", "hold low", "hold Rate", "discard",
    ]  # fmt: skip


def test_a_shutdown_gives_up_what_waits_and_says_how_much(bench: Bench) -> None:
    begun(bench).run.waits = 7
    bench.command("shutdown")
    assert bench.run.asked[-3:] == [
        "discard", "release Rate", ("drain", "shutdown: 7 items were given up", Outcome.ABORTED),
    ]  # fmt: skip
    bench.command("start")
    assert bench.desk.losses.news() == [("'start' was not obeyed: the process is ending", 1)]


def test_a_shutdown_with_nothing_waiting_is_a_normal_end(bench: Bench) -> None:
    begun(bench).command("shutdown")
    assert bench.run.asked[-1] == ("drain", "shutdown", None)


def test_a_clean_shutdown_brings_out_what_has_come(bench: Bench) -> None:
    begun(bench).command("start")
    bench.heard(3)
    bench.command("cleanedshutdown")
    assert bench.run.asked[-3:] == ["hold high", "hold low", ("drain", "cleanedshutdown", None)]
    bench.leave()
    assert bench.states(3) == [(MGR, "Wait for data"), (SUP, "Waiting"), (MGR, "Initialised")]


def test_users_classes_see_the_state_and_may_command(bench: Bench) -> None:
    supervisor = begun(bench).desk.crew.supervisor
    supervisor.command_start()
    assert bench.desk.woken in bench.pollables
    bench.control.poll()
    assert (supervisor.status, supervisor.stopdata, supervisor.processdata) == ("Processing", False, 1)
    assert supervisor.manager_workers[0].status == "Processing"


def test_ten_thousand_malformed_commands_do_no_harm(bench: Bench) -> None:
    begun(bench)
    bad: list[bytes | list[bytes]] = [
        b"",
        b"not json",
        b"{}",
        b"[]",
        [b"a", b"b"],
        b'{"header": {"type": 0}}',
        b"\xff" * 99,
    ]
    bad.append(encode_command("dance", "C", "all", time_s=0.0))
    for each in bad * 1250:
        bench.send(each)
    while bench.desk.losses.total < 10_000:
        bench.wait()
    bench.command("start")
    assert bench.desk.losses.total == 10_000
    assert bench.states(3)[0] == (SUP, "Processing")


def test_commands_for_others_are_nobodys_loss(bench: Bench) -> None:
    begun(bench).command("start", "RTADP2")
    assert bench.desk.losses.total == 0
    assert bench.run.asked == []


def test_configurations_go_to_all_workers_with_those_before(bench: Bench) -> None:
    begun(bench)
    for text in ("a", "b"):
        bench.send(encode_configuration(text, "CommandCenter", "RTADP1-Rate-worker", time_s=0.0))
        bench.wait()
    (values, who) = bench.run.asked[-1]
    told = json.loads(values["Rate.Worker.configurations"])
    assert [(number, message["config"]) for number, message in told] == [(1, "a"), (2, "b")]
    assert who == "CommandCenter"


def test_many_long_configurations_are_kept_within_a_bound(bench: Bench) -> None:
    begun(bench)
    for number in range(9):
        bench.send(encode_configuration([number, "x" * 9_000], "C", "*", time_s=0.0))
        bench.wait()
    values = bench.run.asked[-1][0]["Rate.Worker.configurations"]
    assert [message["config"][0] for _, message in json.loads(values)] == [5, 6, 7, 8]
    bench.send(encode_configuration("x" * 50_000, "C", "*", time_s=0.0))
    bench.wait()
    (alarm,) = bench.heard(1)
    assert alarm["header"]["type"] == 2
    assert "of which 40000 are taken at most" in alarm["body"]["message"]


def test_what_the_run_refuses_is_an_alarm(bench: Bench) -> None:
    begun(bench).run.refuses = True
    bench.send(encode_configuration("a", "C", "*", time_s=0.0))
    bench.wait()
    (alarm,) = bench.heard(1)
    assert (alarm["header"]["type"], alarm["body"]["message"]) == (2, "configuration: no such parameter")


def test_the_status_is_measured_for_whoever_asks(bench: Bench) -> None:
    run = begun(bench).run
    run.counts = {"Rate-0": 5, "Rate-1": 2, "Rate2-0": 99}
    bench.command("getstatus")
    (message,) = bench.heard(1)
    assert list(message) == KEYS
    assert list(message["header"]) == ["type", "time", "pidsource", "pidtarget"]
    assert (message["header"]["pidsource"], message["header"]["pidtarget"]) == (MGR, "CommandCenter")
    assert list(message["procinfo"]) == ["cpu_percent", "memory_usage"]
    assert len(message["procinfo"]["memory_usage"]) == 7
    assert all(nbytes >= 0 for nbytes in message["procinfo"]["memory_usage"])
    del message["header"], message["procinfo"]
    assert message == {
        "workermanagerstatus": "Initialised", "queue_lp_size": 3, "queue_hp_size": 4, "stopdatainput": True,
        "queue_lp_result_size": 5, "queue_hp_result_size": 0, "workersstatusinit": 0, "workersstatus": 2.0,
        "workersname": "worker", "worker_rates": {"0": 0.0, "1": 0.0}, "worker_tot_events": {"0": 5, "1": 2},
        "worker_status": {"0": 2, "1": 2},
    }  # fmt: skip


def test_totals_go_on_where_a_worker_took_anothers_place(bench: Bench) -> None:
    run = begun(bench).run
    for count, total in ((10, 10), (4, 14), (6, 16)):
        run.counts = {"Rate-0": count, "Rate-1": 0}
        bench.command("getstatus")
        (message,) = bench.heard(1)
        assert message["worker_tot_events"] == {"0": total, "1": 0}


def test_a_stage_without_workers_of_its_own_is_counted_by_its_step(bench: Bench) -> None:
    begun(bench).run.counts = {}
    bench.command("getstatus")
    assert bench.heard(1)[0]["worker_tot_events"] == {"0": 9, "1": 0}


def test_states_of_workers_are_those_of_the_pipeline(bench: Bench) -> None:
    run = begun(bench).run
    run.states = [
        StateReport(name="Rate-0", kind="worker", state="processing", of="Rate"),
        StateReport(name="Rate-1", kind="worker", state="initialised", of="Rate"),
    ]
    bench.command("getstatus")
    (message,) = bench.heard(1)
    assert message["worker_status"] == {"0": 8, "1": 0}
    assert (message["workersstatusinit"], message["workersstatus"]) == (1, 8.0)


def test_an_analysis_that_can_do_nothing_does_not_claim_to(bench: Bench) -> None:
    run = begun(bench).run
    bench.command("start")
    bench.heard(3)
    run.states = [StateReport(name="Rate", kind="stage", state="fault")]
    for _ in range(2):
        bench.command("getstatus")
    info, alarm, measured, again = bench.heard(4)
    assert (info["header"]["type"], info["body"]["message"]) == (5, "Fault")
    assert (alarm["header"]["type"], alarm["body"]["message"]) == (2, "none of its workers can go on")
    assert measured["workermanagerstatus"] == again["workermanagerstatus"] == "Fault"
    run.states = []
    bench.command("getstatus")
    assert bench.heard(1)[0]["workermanagerstatus"] == "Processing"


def test_items_that_fail_raise_an_alarm(bench: Bench) -> None:
    begun(bench).run.failed = 2
    for _ in range(2):
        bench.command("getstatus")
    _, alarm, measured = bench.heard(3)
    assert alarm["header"]["type"] == 2
    assert alarm["body"]["message"] == "2 items failed, the last one: Worker: ValueError: bad item"
    assert measured["header"]["type"] == 1


def test_it_measures_once_a_period(
    tmp_path: Path, context: "zmq.Context[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "PERIOD_S", 0.02)
    with opened(tmp_path, context) as bench:
        begun(bench)
        for _ in range(3):
            while not bench.monitor.poll(0):
                time.sleep(min(bench.control.until_due_s(), 0.02))
                bench.control.poll()
            assert bench.heard(1)[0]["header"]["type"] == 1
            assert bench.control.until_due_s() <= 0.02


def test_nobody_who_monitors_holds_anything_up(tmp_path: Path, context: "zmq.Context[Any]") -> None:
    with opened(tmp_path, context) as bench:
        begun(bench)
        supervisor = bench.desk.crew.supervisor
        bench.monitor.close(0)
        for number in range(5000):
            supervisor.send_alarm(1, f"look {number}", "w")
        assert supervisor.socket_monitoring.losses.total > 0
        bench.command("start")
    assert "messages found nobody who monitors" in (tmp_path / "Supervisor-RTADP1.log").read_text()


def test_users_receivers_begin_when_their_analyses_are_there(tmp_path: Path, context: "zmq.Context[Any]") -> None:
    with opened(tmp_path, context, "Receiver") as bench:
        (manager,) = begun(bench).desk.crew.supervisor.manager_workers
        deadline = time.monotonic() + 30
        while manager.low_priority_queue.empty() or manager.high_priority_queue.empty():
            assert time.monotonic() < deadline
            time.sleep(0.001)
