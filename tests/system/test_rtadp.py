"""Processes of rta-dp, run as they are, by real processes and sockets; peers speak as rta-dp's own programs do."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from penstock.compat.rtadp.namespace import MODULES
from penstock.pipeline import Pipeline
from penstock.pipeline.front_door import Asked
from tests.system.commands import Process, Said, assert_adds_up, ended, started

FILES = Path(__file__).parent / "rtadp"
CODE = "analyses:EchoSupervisor"
LONGEST_S = 30.0
LONGEST_MS = 30_000
SUP, MGR = "P", "P-Echo"
BEGINNING = [(SUP, "Initialised"), (MGR, "Initialised"), (SUP, "Waiting")]
START = [(SUP, "Processing"), (MGR, "Wait for data"), (MGR, "Processing")]
STOP = [(MGR, "Wait for data"), (SUP, "Waiting"), (MGR, "Initialised")]


class Peers:
    """Whoever is around a process: who commands, who monitors, who sends, who takes results."""

    def __init__(self, folder: Path, context: "zmq.Context[Any]", **changes: Any) -> None:
        self._context = context
        self.folder = folder
        kinds = {"command": zmq.XPUB, "monitor": zmq.PULL, "low_result": zmq.PULL, "high_result": zmq.PULL}
        self.sockets: dict[str, zmq.Socket[bytes]] = {}
        at: dict[str, str] = {}
        for name, kind in kinds.items():
            self.sockets[name] = context.socket(kind)
            self.sockets[name].linger = 0
            at[name] = f"tcp://127.0.0.1:{self.sockets[name].bind_to_random_port('tcp://127.0.0.1')}"
        for name in ("low", "high"):
            at[name] = f"ipc://{folder}/{name}"
            self.sockets[name] = context.socket(zmq.PUSH)
            self.sockets[name].linger = 0
            self.sockets[name].connect(at[name])
        block = {
            "processname": "P", "dataflow_type": "string", "processing_type": "thread", "datasocket_type": "pushpull",
            "data_lp_socket": at["low"], "data_hp_socket": "none", "command_socket": at["command"],
            "monitoring_socket": at["monitor"], "logs_path": str(folder), "logs_level": 5, "comment": "",
        }  # fmt: skip
        manager = {
            "result_socket_type": "pushpull", "result_dataflow_type": "string", "result_lp_socket": at["low_result"],
            "result_hp_socket": "none", "num_workers": 2, "name": "Echo", "name_workers": "worker",
        }  # fmt: skip
        for key, value in changes.items():
            (manager if key in manager else block)[key] = at.get(value, value)
        blocks = [
            {"processname": "CommandCenter", "command_socket": at["command"]},
            {"processname": "Monitoring", "monitoring_forwarder": "off", "monitoring_socket": at["monitor"]},
            {**block, "manager": [manager]},
        ]
        self.config = folder / "config.json"
        self.config.write_text(json.dumps(blocks, indent=1))
        (folder / "analyses.py").write_bytes((FILES / "analyses.py").read_bytes())

    def arrive(self) -> None:
        """Wait until the process listens to commands, and says that it is there."""
        assert self.sockets["command"].poll(LONGEST_MS), "nobody listens to commands"
        assert self.sockets["command"].recv() == b"\x01"
        assert self.states(3) == BEGINNING

    def command(self, subtype: str, target: str = "all", kind: int = 0, **more: Any) -> None:
        header = {
            "type": kind, "subtype": subtype, "time": time.time(), "pidsource": "CommandCenter", "pidtarget": target,
            "priority": "Low",
        }  # fmt: skip
        self.sockets["command"].send_string(json.dumps({"header": header, **more}))

    def send(self, *items: str, lane: str = "low") -> None:
        for item in items:
            self.sockets[lane].send_string(item)

    def results(self, count: int, lane: str = "low") -> list[str]:
        socket = self.sockets[f"{lane}_result"]
        found: list[str] = []
        while len(found) < count:
            assert socket.poll(LONGEST_MS), f"only {found}"
            found.append(socket.recv_string())
        return found

    def message(self, kind: int) -> dict[str, Any]:
        """Return the next message of a kind; others are passed over."""
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            if self.sockets["monitor"].poll(1000):
                found: dict[str, Any] = json.loads(self.sockets["monitor"].recv())
                if found["header"]["type"] == kind:
                    return found
        raise AssertionError(f"no message of type {kind}")

    def states(self, count: int) -> list[tuple[str, str]]:
        found = [self.message(5) for _ in range(count)]
        return [(message["header"]["pidsource"], message["body"]["message"]) for message in found]

    def close(self) -> None:
        for socket in self.sockets.values():
            socket.close(0)


@contextmanager
def around(folder: Path, **changes: Any) -> Iterator[Peers]:
    with zmq.Context() as context:
        peers = Peers(folder, context, **changes)
        try:
            yield peers
        finally:
            peers.close()


def running(peers: Peers) -> Any:  # a context manager of a Process
    report = str(peers.folder / "report.json")
    return started("run", "config.json", "-n", "P", "--use", CODE, "--report", report, folder=peers.folder)


def end_of(peers: Peers, process: Process) -> Said:
    said = process.end(peers.folder / "report.json")
    assert said.report, said.text
    assert_adds_up(said)
    return said


def test_a_configuration_runs_as_it_is_and_obeys_commands(tmp_path: Path) -> None:
    with around(tmp_path) as peers, running(peers) as it:
        peers.send("early")
        peers.arrive()
        assert peers.message(1)["worker_tot_events"] == {"0": 0, "1": 0}, "nothing is processed before it is started"
        for data in (b"no command", b"{}", b'{"header": {"type": 0}}'):
            peers.sockets["command"].send(data)
        peers.command("start", "OTHER")
        peers.command("start")
        assert peers.states(3) == START
        assert peers.results(1) == ["early 0"]
        peers.send("a", "bad", "none", "alarm", '{"header": {"type": "data", "subtype": "string"}, "body": "b"}')
        assert peers.results(3) == ["a 0", "alarm 0", "b 0"]
        alarms = sorted(peers.message(2)["body"]["message"] for _ in range(2))
        assert alarms == ["1 item failed, the last one: Worker: ValueError: bad item", "too hot"]
        peers.command("stop")
        assert peers.states(3) == STOP
        peers.send("late")
        peers.command("getstatus", "P")
        while (measured := peers.message(1))["header"]["pidtarget"] != "CommandCenter":
            pass
        assert (measured["workermanagerstatus"], measured["stopdatainput"]) == ("Initialised", True)
        assert sum(measured["worker_tot_events"].values()) == 6, "what is late waits"
        peers.command("start")
        assert peers.states(3) == START
        assert peers.results(1) == ["late 0"]
        peers.command("cleanedshutdown")
        assert peers.states(3) == STOP
        said = end_of(peers, it)
    assert (said.code, said.report["outcome"]) == (3, "finished"), "one item was given up"
    assert said.edge("low", "Echo") == {"in": 7, "done": 5, "filtered": 1, "dead-lettered": 1}
    noticed = {(each["text"], each["level"], each["code"]): each for each in said.report["notices"]}
    hot = noticed["too hot", "alarm", 7]
    assert hot["source"] in ("P-Echo-worker-0", "P-Echo-worker-1")
    assert hot["values"] == {"severity": 3}
    assert (alarms[0], "alarm", 0) in noticed
    assert "3 messages were no commands" in (tmp_path / "Supervisor-P.log").read_text()


def test_a_program_of_the_users_runs_unmodified_with_processes(tmp_path: Path) -> None:
    environ = {"PYTHONPATH": os.pathsep.join([str(MODULES), *filter(None, [os.environ.get("PYTHONPATH")])])}
    words = ("analyses.py", "config.json")
    with (
        around(tmp_path, processing_type="process") as peers,
        started(*words, folder=tmp_path, environ=environ, command=(sys.executable,)) as it,
    ):
        peers.arrive()
        peers.command("start")
        assert peers.states(3) == START
        peers.send("a", "b", "none", "c")
        assert peers.results(3) == ["a 0", "b 0", "c 0"]
        peers.command("config", "P-Echo-worker", 3, config="new")
        peers.command("getstatus")  # commands are taken in their order
        while peers.message(1)["header"]["pidtarget"] != "CommandCenter":
            pass
        peers.send("last", "last", "alarm")
        assert peers.results(3) == ["last is new", "last is new", "alarm 0"]
        alarm = peers.message(2)
        assert alarm["header"]["pidsource"] in ("P-Echo-worker-0", "P-Echo-worker-1")
        assert alarm["body"] == {"level": 3, "code": 7, "message": "too hot"}
        it.process.send_signal(signal.SIGTERM)
        assert peers.states(3) == STOP
        said = it.end()
    assert (said.code, said.err.splitlines()[0]) == (0, "P: finished")
    assert "low → Echo: 7 = done 6, filtered 1" in said.err


def test_a_shutdown_gives_up_what_waits_and_says_how_much(tmp_path: Path) -> None:
    with around(tmp_path, num_workers=1) as peers, running(peers) as it:
        peers.arrive()
        peers.command("start")
        assert peers.states(3) == START
        peers.send(*["slow"] * 50)
        assert peers.results(1) == ["slow 0"]
        peers.command("shutdown")
        assert peers.states(3) == STOP
        said = end_of(peers, it)
    assert (said.code, said.report["outcome"]) == (130, "aborted")
    edge = said.edge("low", "Echo")
    assert edge["in"] == edge["done"] + edge["aborted"]
    assert f"shutdown: {edge['aborted']} items were given up" in said.report["reasons"]


def test_a_file_name_is_opened_into_many_items_and_results_are_published(tmp_path: Path) -> None:
    changes = {"dataflow_type": "filename", "result_socket_type": "pubsub", "result_lp_socket": f"ipc://{tmp_path}/out"}
    with around(tmp_path, **changes) as peers, running(peers) as it:
        peers.arrive()
        peers.command("start")
        assert peers.states(3) == START
        with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
            subscriber.subscribe(b"")
            subscriber.connect(changes["result_lp_socket"])
            while not subscriber.poll(50):  # a publisher sends to those who have subscribed by then
                peers.send("x.h5")
            found = subscriber.recv_string()
        peers.command("cleanedshutdown")
        said = end_of(peers, it)
    assert found.startswith("x.h5:")
    edge = said.edge("low", "Echo")
    assert edge["in"] == edge["done"]
    assert edge["in"] % 3 == 0


def test_both_lanes_come_with_their_priority_and_leave_by_their_sockets(tmp_path: Path) -> None:
    changes = {"data_hp_socket": "high", "result_hp_socket": "high_result", "num_workers": 1}
    with around(tmp_path, **changes) as peers, running(peers) as it:
        peers.arrive()
        peers.command("startdata")
        assert peers.states(1) == [(MGR, "Wait for processing")]
        peers.send("a", "b")
        peers.send("urgent", lane="high")
        while (measured := peers.message(1))["queue_lp_size"] + measured["queue_hp_size"] < 3:
            pass
        assert (measured["queue_lp_size"], measured["queue_hp_size"]) == (2, 1)
        peers.command("startprocessing")
        assert peers.states(2) == [(SUP, "Processing"), (MGR, "Processing")]
        assert peers.results(1, "high") == ["urgent 1"]
        assert peers.results(2) == ["a 0", "b 0"]
        peers.command("cleanedshutdown")
        said = end_of(peers, it)
    assert (said.code, said.report["outcome"]) == (0, "finished")


def test_without_code_nothing_is_run_and_it_is_said_what_to_write(tmp_path: Path) -> None:
    with around(tmp_path) as peers:
        said = ended("run", str(peers.config), folder=tmp_path)
    assert said.code == 2
    assert "the configuration does not say what the workers of Echo do; name your class with --use" in said.err


def test_what_is_converted_is_the_pipeline_that_runs(tmp_path: Path) -> None:
    with around(tmp_path) as peers:
        said = ended("convert", "config.json", "--use", CODE, "-o", "own.yaml", folder=tmp_path)
        assert (said.code, said.out, said.err) == (0, "", "own.yaml written\n")
        asked = Asked(use=CODE)
        sys.path.insert(0, str(tmp_path))
        try:
            assert Pipeline.load(tmp_path / "own.yaml").tree == Pipeline.load(peers.config, asked=asked).tree
        finally:
            sys.path.remove(str(tmp_path))
