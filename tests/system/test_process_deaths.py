"""Real deaths, at random moments: of children, of the warmed process, of the supervisor."""

import os
import select
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from penstock.errors import ProcessError
from penstock.services.processes import Child, Processes
from tests.system.watching import PATIENCE_S, Pipe, Supervisor, held, left_open, read, read_all, rounds, told

pytestmark = pytest.mark.usefixtures("nothing_left_open")

HERE = "tests.system.children"


# Deaths of children


def test_a_killed_child_is_told_of_and_the_others_live(
    processes: Processes, pipe: Pipe, request: pytest.FixtureRequest
) -> None:
    there = Pipe()
    bystander = processes.start("bystander", f"{HERE}:waits", {}, [there.write])
    assert read(there.read) == b"r"
    before = held()
    for dice in rounds(request, 20):
        child = processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
        time.sleep(dice.uniform(0, 0.006))
        if dice.random() < 0.5:
            processes.kill(child)
        else:
            os.kill(child.pid, signal.SIGKILL)
        (death,) = told(processes)
        assert (death.child, death.code, death.signal, death.text) == (child, None, signal.SIGKILL, "")
        assert str(death) == f"worker (process {child.pid}) was killed by SIGKILL"
        assert not Path(f"/proc/{child.pid}").exists()
        assert not left_open(before)
    assert processes.children == [bystander]
    there.close()


def test_a_child_that_is_stopped_can_be_killed(processes: Processes, pipe: Pipe) -> None:
    child = processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
    os.kill(child.pid, signal.SIGSTOP)
    processes.kill(child)
    assert told(processes)[0].signal == signal.SIGKILL


def test_what_a_child_has_started_goes_with_it(processes: Processes, pipe: Pipe) -> None:
    child = processes.start("parent", f"{HERE}:begets", {}, [pipe.write])
    assert read(pipe.read) == b"r\n"
    processes.kill(child)
    told(processes)
    assert read_all(pipe.give()) == b""


def test_the_supervisor_can_wait_with_a_poller_of_its_own(processes: Processes) -> None:
    poller = select.poll()
    poller.register(processes.fileno(), select.POLLIN)
    assert poller.poll(0) == []
    processes.start("worker", f"{HERE}:returns", {})
    assert poller.poll(PATIENCE_S * 1000)
    assert told(processes)[0].code == 0
    assert poller.poll(0) == []


# Deaths of the warmed process


def test_children_die_with_the_warmed_process_and_the_next_one_has_another(
    processes: Processes, request: pytest.FixtureRequest
) -> None:
    before = held()
    for dice in rounds(request, 10):
        pipe = Pipe()
        children = [processes.start(f"worker {n}", f"{HERE}:waits", {}, [pipe.write]) for n in range(3)]
        children.append(processes.start("parent", f"{HERE}:begets", {}, [pipe.write]))
        time.sleep(dice.uniform(0, 0.02))
        assert processes.warm_pid is not None
        os.kill(processes.warm_pid, signal.SIGKILL)
        if dice.random() < 0.5:
            # Before its death was told. Asked while it dies, it can no longer say whether there is a child.
            with suppress(ProcessError):
                children.append(processes.start("next", f"{HERE}:returns", {}))
        deaths = told(processes, len(children))
        assert {death.child.number for death in deaths} == {child.number for child in children}
        for death in deaths:
            if death.child.name == "next":
                assert death.code == 0
            else:
                assert (death.code, death.signal) == (None, None)
                assert str(death).endswith("died with the process that had started it")
        set(read_all(pipe.give()))  # ends, because nobody is left
        pipe.close()
        assert processes.children == []
        processes.start("after", f"{HERE}:returns", {})
        assert told(processes)[0].code == 0
    assert len(held()) == len(before)


def test_a_warmed_process_that_hangs_is_given_up(pipe: Pipe) -> None:
    with Processes(preload=(), patience_s=20.0) as processes:
        processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
        assert read(pipe.give()) == b"r"
        assert processes.warm_pid is not None
        os.kill(processes.warm_pid, signal.SIGSTOP)
        processes.patience_s = 0.2
        with pytest.raises(ProcessError, match=r"next cannot be started: .* did not answer for 0\.2 s; it hangs"):
            processes.start("next", f"{HERE}:returns", {})
        assert read_all(pipe.read) == b""
        processes.patience_s = PATIENCE_S
        processes.start("after", f"{HERE}:returns", {})
        assert {death.child.name: death.code for death in told(processes, 2)} == {"worker": None, "after": 0}


def test_closing_does_not_wait_for_a_warmed_process_that_is_stopped(pipe: Pipe) -> None:
    with Processes(preload=()) as processes:
        processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
        assert read(pipe.give()) == b"r"
        assert processes.warm_pid is not None
        os.kill(processes.warm_pid, signal.SIGSTOP)
    assert read_all(pipe.read) == b""
    processes.close()


# Deaths of the supervisor


def test_nobody_outlives_a_killed_supervisor(request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 10):
        with Supervisor("plain") as running:
            # Anywhere from its first import to long after the last child is there.
            time.sleep(dice.uniform(0, 0.4))
            running.process.kill()
            read_all(running.fd)


@pytest.mark.parametrize("case", ["plain", "stopped"])
def test_nobody_outlives_it_when_all_are_there(case: str) -> None:
    with Supervisor(case) as running:
        running.read_until(b"!")
        running.process.kill()
        read_all(running.fd)


def test_nobody_outlives_it_though_a_copy_of_it_lives() -> None:
    with Supervisor("copied") as running:
        copy = int(running.read_until(b"!").partition(b"<")[2].partition(b">")[0])
        try:
            running.process.kill()
            read_all(running.fd)
            assert Path(f"/proc/{copy}").exists()
        finally:
            os.kill(copy, signal.SIGKILL)


def test_children_outlive_the_thread_that_started_them(pipe: Pipe) -> None:
    processes = Processes(preload=())

    def start() -> None:
        processes.__enter__()
        processes.start("worker", f"{HERE}:waits", {}, [pipe.write])

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(PATIENCE_S)
    with processes:
        assert read(pipe.give()) == b"r"
        assert processes.poll(0.1) == []
        (child,) = processes.children
        processes.stop(child)
        assert told(processes)[0].code == 130


def test_deaths_are_told_at_once(processes: Processes, pipe: Pipe) -> None:
    waited_s: list[float] = []
    for _ in range(10):
        child: Child = processes.start("worker", f"{HERE}:waits", {}, [pipe.write])
        assert read(pipe.read) == b"r"
        begun = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        told(processes)
        waited_s.append(time.monotonic() - begun)
    assert min(waited_s) < 0.5
