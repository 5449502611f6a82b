"""Programs that stay: asked in turn, and whatever they do wrong fails with the item they were at."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from penstock.core import Kind
from penstock.elements.external_program import ExternalProgram, taken_apart
from penstock.elements.steps.program import ProgramStep
from penstock.errors import ProcessError
from penstock.monitor.notice import Outlet, use_outlet
from penstock.testing import make_event, make_message

BEGIN = """
import json, os, sys, time
said = {}
def frames():
    for line in sys.stdin.buffer:
        frame = json.loads(line)
        yield frame["kind"], frame, sys.stdin.buffer.read(frame["bytes"])
def answer(frame, data=b"", **more):
    sys.stdout.buffer.write(json.dumps({"number": frame["number"], **more}).encode() + b"\\n" + data)
    sys.stdout.buffer.flush()
"""
ALL = BEGIN + "told = []\nfor kind, frame, data in frames():\n    "
"""Begins the body of a loop over everything a program is told."""
TELL = ALL + "told.append([kind, frame.get('item')])\n    if kind == 'event': answer(frame, result=[os.getpid(), told])"
PATIENCE_S = 60.0

Make = Callable[..., ExternalProgram]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[ExternalProgram] = []

    def of(code: str, **options: Any) -> ExternalProgram:
        kind = options.pop("kind", ExternalProgram)
        words = [word.replace("{", "{{").replace("}", "}}") for word in ("-I", "-S", "-c", code)]
        made.append(kind(["{python}", *words], **{"timeout_s": PATIENCE_S, **options}))
        return made[-1]

    yield of
    for each in made:
        each.close()


@pytest.fixture
def notices() -> Iterator[Callable[[], list[tuple[str, str]]]]:
    outlet = Outlet("find-0")
    with use_outlet(outlet):
        yield lambda: [(said.level.name, said.text) for said in outlet.take()[0]]


def until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.002)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_items_are_taken_apart() -> None:
    image, table = np.zeros((2, 3), np.uint16), np.arange(4)
    message = make_message(image, key=5, I0=0.5, table=table)
    said, arrays = taken_apart(message)
    assert (said["key"], said["metadata"]) == (5, {"I0": 0.5, "table": None})
    assert list(arrays) == ["array", "metadata.table"]
    said, arrays = taken_apart(make_event(camera=message, panda=None))
    assert (said["number"], said["camera"]["key"], said["panda"]) == (0, 5, None)
    assert list(arrays) == ["camera.array", "camera.metadata.table"]
    assert arrays["camera.array"] is message.array
    assert taken_apart({"n": np.int64(3), "deep": [{"a": table}, "b"]})[0] == {"n": 3, "deep": [{"a": None}, "b"]}
    assert taken_apart(image)[0] is None
    with pytest.raises(TypeError, match="complex has no form in JSON"):
        taken_apart({"z": 1j})


def test_a_program_stays_and_is_asked_in_turn(make: Make) -> None:
    program = make(TELL)
    program.start(make_message(kind=Kind.START, name="scan"))
    pids = set()
    for k in range(3):
        pid, told = program.process({"k": k})
        pids.add(pid)
    program.end(None)
    assert len(pids) == 1
    assert [kind for kind, _ in told] == ["start", "event", "event", "event"]
    assert told[0][1]["metadata"] == {"name": "scan"}
    assert [said for _, said in told[1:]] == [{"k": 0}, {"k": 1}, {"k": 2}]
    program.close()
    assert not is_running(pids.pop())


def test_arrays_go_and_come(make: Make) -> None:
    code = (
        ALL + "place = frame['arrays']\n    "
        "answer(frame, data, arrays=place, result={'n': len(data)} if 'item' in frame else None)"
    )
    program = make(code)
    image = np.arange(6, dtype=">i4").reshape(2, 3)
    found = program.process({"image": image[:, ::-1]})
    assert found["n"] == 24
    assert found["image"].dtype == ">i4"
    assert found["image"].tolist() == image[:, ::-1].tolist()
    found["image"][0, 0] = 1  # the user's own
    assert program.process(image)["array"].tolist() == image.tolist()


def test_much_goes_in_and_out_at_once(make: Make) -> None:
    code = (
        ALL
        + "half = len(data) // 2\n    answer(frame, data, arrays=frame['arrays'])\n    sys.stderr.write('x' * 10**6)"
    )
    image = np.arange(2_000_000)
    program = make(code)
    for _ in range(2):
        assert (program.process({"image": image})["image"] == image).all()


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("answer(frame)", None),
        ("answer(frame, result=None)", None),
        ("answer(frame, result=False)", False),
        ("answer(frame, result=float('nan'))", "nan"),
    ],
)
def test_what_is_a_result(make: Make, body: str, result: Any) -> None:
    found = make(ALL + body).process(1)
    assert (str(found) if result == "nan" else found) == result


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("sys.exit('no beam')", r"ended with code 1: no beam$"),
        ("os.kill(os.getpid(), 11)", r"was killed by SIGSEGV$"),
        ("print('peaks: 3', flush=True)", r"what is no answer: this is no line of JSON: 'peaks: 3'"),
        ("answer(frame, result=1); frame['number'] += 1; answer(frame)", r"something that it was not asked"),
        ("answer({'number': 99})", r"answered with the number 99 to item [12]; its answer to it begins"),
        ("print('{}', flush=True)", r"answered with the number none"),
        ("os.close(1); time.sleep(9)", r"closed its standard output, and was killed"),
        (
            "answer(frame, result=7, arrays={'a': {'dtype': 'u1', 'shape': [0]}})",
            r"result is an object with other names",
        ),
    ],
)
def test_what_goes_wrong_fails_with_its_item_and_the_next_gets_another_process(
    make: Make, body: str, says: str, monkeypatch: pytest.MonkeyPatch, notices: Callable[[], list[tuple[str, str]]]
) -> None:
    monkeypatch.setattr("penstock.elements.running_program._LAST_WORDS_S", 0.1 if "os.close" in body else 9.0)
    good = "answer(frame, result=os.getpid())"
    code = f"{ALL}\n    if kind != 'event': continue\n    if frame['item'] == 'bad':\n        {body}\n    else: {good}"
    program = make(code)
    first = program.process("good")
    if "not asked" in says:  # the answer has come, and what follows it is found before the next is asked
        program.process("bad")
        until(lambda: program._running is not None and bool(program._running.trouble()))
        second = program.process("good")
        assert any("not asked; it is begun anew" in text for _, text in notices())
    else:
        with pytest.raises(ProcessError, match=says):
            program.process("bad")
        second = program.process("good")
    if "result is an object" not in says:
        assert second != first
        assert not is_running(first)


def test_what_it_says_of_an_item_is_no_fault_of_its_own(make: Make) -> None:
    program = make(ALL + "answer(frame, error='no geometry') if frame['item'] else answer(frame, result=os.getpid())")
    first = program.process(0)
    with pytest.raises(ProcessError, match=r"no geometry$"):
        program.process(1)
    assert program.process(0) == first


def test_one_that_is_silent_is_killed_with_what_it_has_started(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    begins = f"open({str(file)!r}, 'w').write(str(subprocess.Popen(['sleep', '3600']).pid))"
    code = f"{BEGIN}import subprocess\n{begins}\ntime.sleep(3600)"
    program = make(code, timeout_s=0.5, start_s=1.0)
    with pytest.raises(ProcessError, match=r"has not answered within 1 s, and was killed; does it flush"):
        program.process(1)
    if file.exists():  # it was quick enough to begin
        until(lambda: not is_running(int(file.read_text())))


def test_one_that_ended_between_two_items_is_replaced_and_that_is_told(
    make: Make, notices: Callable[[], list[tuple[str, str]]]
) -> None:
    program = make(TELL)
    program.start(make_message(kind=Kind.START))
    first, _ = program.process(1)
    os.kill(first, signal.SIGKILL)
    until(lambda: not is_running(first))
    second, told = program.process(2)
    assert second != first
    assert [kind for kind, _ in told] == ["start", "event"]  # the successor was told the start, too
    assert [(level, "was killed by SIGKILL; it is begun anew" in text) for level, text in notices()] == [("INFO", True)]


def test_what_it_says_for_people_is_a_notice_each_line(
    make: Make, notices: Callable[[], list[tuple[str, str]]]
) -> None:
    says = "print('item', frame['item'], file=sys.stderr, flush=True)\n    answer(frame)"
    program = make(f"{ALL}{says}\nprint('end', file=sys.stderr, end='')")
    for k in range(2):
        program.process(k)
    program.close()
    assert notices() == [("LOG", "item 0"), ("LOG", "item 1"), ("LOG", "end")]


def test_one_that_does_not_end_well_is_an_alarm(make: Make, notices: Callable[[], list[tuple[str, str]]]) -> None:
    failing = make(ALL + "answer(frame)\nsys.exit('cannot write peaks.h5')")
    staying = make(ALL + "answer(frame)\ntime.sleep(3600)", close_s=0.1)
    for program in (failing, staying):
        program.process(1)
        program.close()
    failed, stayed = [text for level, text in notices() if level == "ALARM"]
    assert failed.endswith("ended with code 1: cannot write peaks.h5")
    assert stayed.endswith("has not ended within 0.1 s after its standard input was closed, and was killed")


class Finder(ExternalProgram):
    """One with parameters of its own names."""

    def __init__(
        self, command: list[str], timeout_s: float = 60.0, *, least: Annotated[int, "peaks"] = 3, mask: Any = None
    ) -> None:
        super().__init__(command, timeout_s)
        self.least, self.mask = least, mask


def test_parameters_are_told_before_the_first_item_and_when_they_change(make: Make) -> None:
    program = make(TELL, kind=Finder)
    program.start(make_message(kind=Kind.START))
    program.process(1)
    program.least = 5  # type: ignore[attr-defined]  # as the engine sets it
    program.process(2)
    _, told = program.process(3)
    assert [kind for kind, _ in told] == ["parameters", "start", "event", "parameters", "event", "event"]
    assert told[0][1] == {"least": 3, "mask": None}
    assert told[3][1] == {"least": 5, "mask": None}


def test_files_are_told_by_their_whole_path(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("eiger.geom").write_text("clen = 0.1")
    program = make(TELL, kind=ProgramStep, file=Path("eiger.geom"), settings="snr=5")
    _, told = program.process(1)
    assert told[0] == ["parameters", {"file": str(tmp_path / "eiger.geom"), "settings": "snr=5"}]


def test_it_does_not_outlive_whoever_has_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from penstock.elements.external_program import ExternalProgram as P; "
        "p = P(['{python}', '-c', sys.argv[1]], 60); print(p.process(1)[0], flush=True); time.sleep(3600)"
    )
    deaf = TELL.replace(
        "answer(frame, result=[os.getpid(), told])", "answer(frame, result=[os.getpid()]); time.sleep(3600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, deaf.replace("{", "{{").replace("}", "}}")], stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        worker.kill()
    until(lambda: not is_running(pid))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"command": []}, r"write a list: \[program"),
        ({"command": "./find-peaks"}, r"write a list: \[program"),
        ({"command": ["./find-peaks", "--file={path}"]}, "a program that stays is begun before there is an item"),
        ({"command": ["true"], "timeout_s": 0}, "timeout_s is 0; write seconds"),
        ({"command": ["true"], "start_s": -1}, "start_s is -1"),
        ({"command": ["true"], "close_s": float("inf")}, "close_s is inf"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ExternalProgram(**arguments)


def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="there is no program no-such-program that could be executed"):
        ExternalProgram(["no-such-program"]).process(1)
    script = tmp_path / "find"
    script.write_bytes(b"\x7fELF of another machine")
    script.chmod(0o755)
    program = ExternalProgram(["./find"])
    program.folder = str(tmp_path)
    with pytest.raises(ProcessError, match=r"\./find .*cannot be started: Exec format error"):
        program.process(1)
