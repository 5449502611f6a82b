"""Real processes: what a child is given, what it says, and which signals it hears."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ProcessError
from penstock.services.processes import Processes
from penstock.transport.seqpacket import MAX_FDS
from tests.system.children import Recipe
from tests.system.watching import PATIENCE_S, Pipe, Supervisor, read, read_all, rounds, told

pytestmark = pytest.mark.usefixtures("nothing_left_open")

HERE = "tests.system.children"


# What a child is given, and says


def test_a_function_gets_its_arguments_and_descriptors(processes: Processes, pipe: Pipe) -> None:
    child = processes.start("writer", f"{HERE}:writes", {"text": "x" * 2_000_000, "number": 2.5}, [pipe.write, 0])
    assert processes.children == [child]
    assert json.loads(read_all(pipe.give())) == [2_000_000, 2.5, 2]
    (death,) = told(processes)
    assert (death.child, death.code, death.signal, death.text) == (child, 0, None, "")
    assert processes.children == []


def test_arguments_become_what_the_function_declares(processes: Processes, pipe: Pipe) -> None:
    processes.start("cook", f"{HERE}:cooks", Recipe(grams=3), [pipe.write])
    assert read_all(pipe.give()) == b"3 g of salt"
    assert told(processes)[0].code == 0


def test_a_child_has_its_name_its_processor_one_thread_and_nothing_else(pipe: Pipe) -> None:
    cpu = max(os.sched_getaffinity(0))
    with Processes() as processes:
        child = processes.start("worker 3", f"{HERE}:introduces_itself", {}, [pipe.write], cpus={cpu})
        said: dict[str, Any] = json.loads(read_all(pipe.give()))
        assert told(processes)[0].code == 0
    assert said["name"] == "penstock: worke"
    assert said["command"] == "penstock: worker 3"
    assert said["argv"] == ["worker 3"]
    assert (said["cpus"], said["blas"], said["threads"], said["warm"]) == ([cpu], "1", 2, True)
    assert said["path"] == os.environ.get("PYTHONPATH")
    assert said["own"] == sorted(name for name in os.environ if name.startswith("PENSTOCK"))
    assert said["session"] not in (os.getsid(0), child.pid)
    assert said["read"] == ""
    # Its standard streams, the memory file of its request, and what it was given.
    (paper,) = (int(fd) for fd, place in said["held"].items() if "penstock-paper" in place)
    assert {int(fd) for fd in said["held"]} == {0, 1, 2, paper, *said["fds"]}


@pytest.mark.parametrize(
    ("function", "last"),
    [
        ("no_such_module:main", "ModuleNotFoundError: No module named 'no_such_module'"),
        (f"{HERE}:no_such", f"AttributeError: module '{HERE}' has no attribute 'no_such'"),
        (f"{HERE}:raises", "ValueError: the third crystal is broken"),
        (f"{HERE}:cooks", "arguments are not what the function declares: Object missing required field `grams`"),
    ],
)
def test_what_goes_wrong_comes_back_as_text(processes: Processes, function: str, last: str) -> None:
    processes.start("worker", function, {})
    (death,) = told(processes)
    assert death.code == 1
    assert death.text.startswith("Traceback")
    assert death.text.rstrip().endswith(last)
    assert str(death).startswith(f"worker (process {death.child.pid}) ended with code 1: ")
    assert str(death).endswith(last)


def test_processors_that_are_not_there_are_an_error_of_the_child(processes: Processes) -> None:
    processes.start("worker", f"{HERE}:returns", {}, cpus=[1_000_000])
    (death,) = told(processes)
    assert death.code == 1
    assert "sched_setaffinity" in death.text


def test_of_a_long_report_the_end_is_kept(processes: Processes) -> None:
    processes.start("worker", f"{HERE}:raises_at_length", {})
    (death,) = told(processes)
    assert death.text.endswith("and no end\n")
    assert len(death.text.encode()) < 70_000


def test_a_child_may_end_with_a_code(processes: Processes) -> None:
    processes.start("worker", f"{HERE}:exits", {"code": 7})
    (death,) = told(processes)
    assert (death.code, death.text) == (7, "")


def test_a_segmentation_fault_says_where(processes: Processes) -> None:
    processes.start("worker", f"{HERE}:reads_null", {})
    (death,) = told(processes)
    assert (death.code, death.signal) == (None, signal.SIGSEGV)
    assert "in reads_null" in death.text
    assert str(death).endswith("was killed by SIGSEGV")


def test_what_a_child_prints_is_handed_on_before_its_death() -> None:
    lines: list[tuple[str, str]] = []
    with Processes(preload=(), on_output=lambda child, line: lines.append((child.name, line))) as processes:
        processes.start("talker", f"{HERE}:prints", {})
        told(processes)
        assert [line for _, line in lines] == ["one", "two", r"\xff three", "four, without an end"]
        assert {name for name, _ in lines} == {"talker"}
        processes.start("last", f"{HERE}:prints", {})
        # It may or may not come to print anything before it is killed.


def test_what_cannot_be_started_is_refused(processes: Processes) -> None:
    with pytest.raises(ProcessError, match="worker: 'main' names no function; write module:function"):
        processes.start("worker", "main", {})
    with pytest.raises(ProcessError, match="put it in a file that can be imported"):
        processes.start("worker", "__main__:main", {})
    with pytest.raises(ProcessError, match=f"{MAX_FDS} descriptors; 251 fit"):
        processes.start("worker", f"{HERE}:returns", {}, [0] * MAX_FDS)
    with pytest.raises(TypeError, match=r"worker: its arguments cannot travel: .*; give it plain values"):
        processes.start("worker", f"{HERE}:returns", {"function": print})
    assert processes.children == []
    processes.start("worker", f"{HERE}:returns", {}, [0] * (MAX_FDS - 2))
    assert told(processes)[0].code == 0


def test_a_module_that_starts_threads_is_not_preloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "busy.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Processes(preload=("busy",)) as processes, pytest.raises(ProcessError, match="died when it was asked"):
        processes.start("worker", f"{HERE}:returns", {})
    assert "importing busy started 1 threads; preload only what starts none" in capfd.readouterr().err


# Signals


def test_stop_lets_a_child_end_in_its_own_order(processes: Processes, pipe: Pipe) -> None:
    child = processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
    assert read(pipe.read) == b"r"
    processes.stop(child)
    assert told(processes)[0].code == 130
    assert read_all(pipe.give()) == b"f"
    processes.stop(child)
    processes.kill(child)


def test_a_stop_at_any_moment_is_heard(processes: Processes, pipe: Pipe, request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 20):
        child = processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
        time.sleep(dice.uniform(0, 0.006))
        processes.stop(child)
        (death,) = told(processes)
        assert death.code == 130, death


def test_what_service_managers_send_to_everybody_has_no_effect(processes: Processes, pipe: Pipe) -> None:
    child = processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
    assert read(pipe.read) == b"r"
    assert processes.warm_pid is not None
    for pid in (child.pid, processes.warm_pid):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGHUP)
    assert processes.poll(0.1) == []
    processes.stop(child)
    assert told(processes)[0].code == 130


def test_programs_that_user_code_starts_have_their_signals(processes: Processes, pipe: Pipe) -> None:
    processes.start("parent", f"{HERE}:begets_deaf", {}, [pipe.write])
    masks = dict(line.split(":\t") for line in read_all(pipe.give()).decode().splitlines())
    told(processes)
    asked = sum(1 << (number - 1) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    assert {name: int(mask, 16) & asked for name, mask in masks.items()} == {"SigBlk": 0, "SigIgn": 0}


def test_ctrl_c_reaches_the_supervisor_only() -> None:
    with Supervisor("asked") as running:
        assert read(running.fd, 1) == b"!"
        os.killpg(running.process.pid, signal.SIGINT)
        assert read_all(running.fd) == b"the child said after"
        assert running.process.wait(PATIENCE_S) == 0
