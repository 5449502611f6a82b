"""Users' classes are made once, workers one by one where they work, and what users raise is said with whose it is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.rtadp import crew as crews
from penstock.compat.rtadp.crew import Process, crew_of
from penstock.compat.rtadp.messages import encode_configuration
from penstock.compat.rtadp.supervisor import Supervisor
from penstock.compat.rtadp.worker import Worker, configurations_of
from penstock.errors import CheckError, RemoteProtocolError, ResultTypeError, UserCodeError
from tests.unit.compat.rtadp import users
from tests.unit.compat.rtadp.test_reader import BLOCK, MANAGER, OTHERS

USERS = "tests.unit.compat.rtadp.users"


@pytest.fixture(autouse=True)
def _nobody_left() -> Iterator[None]:
    yield
    for crew in crews._crews.values():
        crew.supervisor.socket_monitoring.close()
        crew.supervisor.logger.close()
    crews._crews.clear()
    users.made.clear()


def process(folder: Path, supervisor: str = "Sup", uses: tuple[str, ...] = (), **changes: Any) -> Process:
    block = {**BLOCK, "logs_path": str(folder), "manager": [{**MANAGER, "num_workers": 3}], **changes}
    (folder / "config.json").write_text(json.dumps([*OTHERS, block]))
    name = f"{USERS}:{supervisor}" if supervisor else ""
    return Process(name="RTADP1", config="config.json", supervisor=name, uses=uses, folder=str(folder))


def worker(it: Process, number: int = 0, **options: Any) -> Worker:
    found = Worker(it.written, 0, **options)
    found.folder = it.folder
    found.take_number(number)
    return found


def test_threads_have_the_workers_that_users_classes_made(tmp_path: Path) -> None:
    it = process(tmp_path)
    found = [worker(it, number) for number in range(3)]
    results = [each((number % 2, "x")) for number, each in enumerate(found)]
    assert results == [f"x {number % 2} RTADP1-Rate-worker-{number}" for number in range(3)]
    assert len(users.made) == 3, "none was made twice"
    assert crew_of(it) is crew_of(process(tmp_path))


def test_a_worker_that_takes_anothers_place_is_made_anew(tmp_path: Path) -> None:
    it = process(tmp_path)
    first, second, beyond = worker(it, 1), worker(it, 1), worker(it, 4)
    assert first._worker is not second._worker
    assert second((0, "x")) == "x 0 RTADP1-Rate-worker-1"
    assert beyond((0, "x")) == "x 0 RTADP1-Rate-worker-4", "as many as the pipeline has, also when it is scaled up"
    (manager,) = crew_of(it).supervisor.manager_workers
    assert (manager.num_workers, len(manager.worker_threads)) == (3, 3)


def test_a_process_makes_its_own_worker_and_no_later_ones(tmp_path: Path) -> None:
    it = process(tmp_path, processing_type="process")
    found = worker(it, 1)
    assert found((1, "x")) == "x", "an older class without the priority works, and one without the event"
    assert found._worker.fullname == "RTADP1-Rate-own-1"
    assert crew_of(it).supervisor.manager_workers[0].worker_processes == []


def test_workers_need_no_supervisor_of_ones_own(tmp_path: Path) -> None:
    it = process(tmp_path, "", (f"{USERS}:Echo",))
    assert worker(it, 2)((1, "x")) == "x 1 RTADP1-Rate-worker-2"


@pytest.mark.parametrize(
    ("flow", "data", "result"),
    [("string", "x", "x 0 RTADP1-Rate-worker-0"), ("filename", "x", "x 0 RTADP1-Rate-worker-0"), ("none", "x", True)],
)
def test_results_are_what_their_flow_says(flow: Any, data: str, result: Any, tmp_path: Path) -> None:
    it = worker(process(tmp_path), result=flow)
    assert it((0, data)) == result
    assert it((0, "none")) is None, "None is no result, and never text"
    with pytest.raises(ValueError, match="bad item"):
        it((0, "bad"))


def test_binary_results_are_bytes_or_refused(tmp_path: Path) -> None:
    it = worker(process(tmp_path, processing_type="process"), result="binary")
    assert it((0, bytearray(b"x"))) == b"x"
    with pytest.raises(ResultTypeError, match="a str is no binary result"):
        it((0, "x"))


def test_each_configuration_is_given_once_also_to_who_comes_later(tmp_path: Path) -> None:
    it = process(tmp_path)
    messages = [encode_configuration(text, "C", "*", time_s=0).decode() for text in ("a", "bad", "b")]
    found = worker(it)
    found.configurations = configurations_of([(1, messages[0])])
    found.configurations = configurations_of([(1, messages[0]), (2, messages[1]), (3, messages[2])])
    assert found._worker.configurations == ["a", "b"], "what config raises concerns nobody else"
    later = worker(it, 1, configurations=found.configurations)
    assert later._worker.configurations == ["a", "b"]
    assert "config raised ValueError: no such setting" in (tmp_path / "Supervisor-RTADP1.log").read_text()


def test_what_users_classes_raise_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = process(tmp_path)
    monkeypatch.setattr(users.Echo, "__init__", lambda self: 1 / 0)
    with pytest.raises(UserCodeError, match="Sup could not make its managers: ZeroDivisionError"):
        worker(it)
    crews._crews.clear()
    monkeypatch.setattr(users.Sup, "__init__", lambda self, *_: 1 / 0)
    with pytest.raises(UserCodeError, match=r"users:Sup could not be made: ZeroDivisionError"):
        worker(it)


def test_a_class_that_makes_too_few_workers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users.Manager, "start_worker_threads", lambda self, n: None)
    with pytest.raises(UserCodeError, match="worker 0 could not be made: LookupError: Manager makes no worker 0"):
        worker(process(tmp_path))


def test_a_supervisor_knows_its_configuration(tmp_path: Path) -> None:
    supervisor = crew_of(process(tmp_path)).supervisor
    assert (supervisor.processingtype, supervisor.dataflowtype, supervisor.datasockettype) == (
        "thread",
        "string",
        "pubsub",
    )
    assert supervisor.config["manager"][0]["name"] == "Rate"
    assert (supervisor.workername, supervisor.name_workers, supervisor.manager_num_workers) == (
        ["Rate"],
        ["worker"],
        [3],
    )
    assert supervisor.made_with == ((str(tmp_path / "config.json"), "RTADP1"), {})
    assert (supervisor.has_own("decode_data"), supervisor.has_own("start_service_threads")) == (True, False)


def test_commands_may_come_from_users_own_code(tmp_path: Path) -> None:
    supervisor = crew_of(process(tmp_path)).supervisor
    woken: list[bool] = []
    supervisor.wake = lambda: woken.append(True)
    for command in ("start", "stop", "startdata", "stopdata", "startprocessing", "stopprocessing", "reset", "shutdown"):
        getattr(supervisor, f"command_{command}")()
    supervisor.command_cleanedshutdown()
    supervisor.handle_signals(15)
    supervisor.handle_signals(2)
    supervisor.stop_all()
    assert [each.subtype for each in supervisor.commands] == [
        "start", "stop", "startdata", "stopdata", "startprocessing", "stopprocessing", "reset", "shutdown",
        "cleanedshutdown", "cleanedshutdown", "shutdown", "shutdown",
    ]  # fmt: skip
    assert len(woken) == 12
    with pytest.raises(RemoteProtocolError, match="there is no command 'dance'"):
        supervisor.ask("dance")


def test_a_block_that_is_wrong_ends_a_program_at_once(tmp_path: Path) -> None:
    path = process(tmp_path, processing_type="x").path
    with pytest.raises(CheckError, match="'x' is none of thread and process"):
        Supervisor(str(path), "RTADP1")
