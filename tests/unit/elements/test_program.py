"""Programs for items: no value becomes a command, an option or a second argument, and nothing is left running."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements import program_call
from penstock.elements.program import Program
from penstock.elements.program_call import ProgramCall
from penstock.errors import ProcessError
from penstock.testing import make_message

SHOW = "import json, sys; print(json.dumps(sys.argv[1:])); print(sys.stdin.read(), end='')"
HOSTILE = [
    "; rm -rf /",
    "$(id)",
    "`id`",
    "a b",
    "",
    "a\nb",
    "'",
    '"',
    "&& true",
    "| cat",
    "> x",
    "*",
    "~",
    "$HOME",
    "\\",
    "%s",
    "{x}",
]
PATIENCE_S = 60.0


def call(argv: list[Any], item: Any, **options: Any) -> ProgramCall:
    program = Program(argv, **options)
    program.find(".")
    return program.call(item, wants_output=True)


def shown(words: list[Any], item: Any, **options: Any) -> tuple[list[str], str]:
    output = call([sys.executable, "-c", SHOW, *words], item, **options).run().decode()
    arguments, _, stdin = output.partition("\n")
    return json.loads(arguments), stdin


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


def test_hostile_values_stay_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"{{v{at}}}" for at in range(len(HOSTILE))] + [f"--n={{v{at}}}" for at in range(len(HOSTILE))]
    item = {f"v{at}": value for at, value in enumerate(HOSTILE)}
    assert shown(words, item)[0] == HOSTILE + [f"--n={value}" for value in HOSTILE]
    assert list(tmp_path.iterdir()) == []


@given(st.text(st.characters(codec="utf-8", blacklist_characters="\0")))
def test_a_value_is_one_argument(value: str) -> None:
    program = Program(["echo", "--", "{x}", "a{x}b"])
    arguments = program.call({"x": value}, wants_output=False)._arguments
    assert arguments == ["echo", "--", value, f"a{value}b"]


@pytest.mark.parametrize("value", ["--delete", "-5", -5, "-"])
def test_no_value_becomes_an_option(value: Any) -> None:
    with pytest.raises(ValueError, match=r'argument 1: .* would be taken for an option; write "--" before it'):
        call(["echo", "{x}"], {"x": value})
    assert shown(["--", "{x}", "--x={x}"], {"x": value})[0] == ["--", str(value), f"--x={value}"]


def test_what_no_argument_can_hold() -> None:
    with pytest.raises(ValueError, match="has a zero byte"):
        call(["echo", "{x}"], {"x": "a\0b"})
    with pytest.raises(ProcessError, match="echo cannot be started: Argument list too long"):
        call(["echo", "{x}"], {"x": "a" * 3_000_000}).run()
    with pytest.raises(LookupError, match='no field "y"'):
        call(["echo", "{y}"], {"x": 1})


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], r"write a list: \[program"),
        ("echo {x}", r"write a list: \[program"),
        (["{x}", "a"], "which program is started cannot depend on the item"),
        (["sh", "-c", "echo {x}"], "sh would execute what the item holds"),
        (["/bin/bash", "-ec", "echo {x}", "a"], "/bin/bash would execute"),
        (["bash", "-o", "pipefail", "-c", "{x}"], "bash would execute"),
        (["env", "A=1", "sh", "-e", "-c", "-x", "echo {x}"], "sh would execute"),
        (["sh", "{x}"], "sh would execute"),
        (["fish", "--command", "{x}"], "fish would execute"),
        (["echo", "{x"], "write {{ and }}"),
    ],
)
def test_what_cannot_be_started(argv: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Program(argv)


@pytest.mark.parametrize(
    "argv", [["grep", "sh", "{x}"], ["sh", "script", "{x}"], ["env", "sh", "-c", "true", "sh", "{x}"]]
)
def test_what_only_looks_like_a_shell_that_executes_a_value(argv: list[str]) -> None:
    assert Program(argv).call({"x": "a"}, wants_output=False)._arguments[-1] == "a"


def test_a_shell_may_take_a_value_as_an_argument() -> None:
    assert call(["sh", "-c", 'echo "$1"', "sh", "{x}"], {"x": "$(id); exit"}).run() == b"$(id); exit\n"


def test_numbers_are_arguments_too() -> None:
    assert shown([5, 0.5, "{n:03d}"], {"n": 7})[0] == ["5", "0.5", "007"]


def test_standard_input() -> None:
    assert shown([], {"x": 1})[1] == ""
    assert shown([], {"x": "a\nb"}, stdin="<{x}>\n")[1] == "<a\nb>\n"
    said = json.loads(shown([], make_message([1], key=2, I0=0.5), stdin="json")[1])
    assert (said["key"], said["metadata"], said["buffers"]) == (2, {"I0": 0.5}, [[1]])


def test_much_goes_in_and_out_at_once() -> None:
    value = "x" * 5_000_000
    assert call(["cat"], {"x": value}, stdin="{x}").run() == value.encode()
    assert call(["true"], {"x": value}, stdin="{x}").run() == b""  # which reads nothing of it


def test_a_program_that_fails() -> None:
    with pytest.raises(ProcessError, match=r"^sh ended with code 3: no beam$"):
        call(["sh", "-c", "echo no beam >&2; exit 3"], None).run()
    with pytest.raises(ProcessError, match=r"^sh was killed by SIGTERM$"):
        call(["sh", "-c", "kill -TERM $$"], None).run()
    with pytest.raises(ProcessError) as caught:
        call([sys.executable, "-c", "import sys; sys.stderr.write('x' * 10**6 + 'end'); sys.exit(1)"], None).run()
    assert str(caught.value).endswith("xend")
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("words", ["sleep 3600", "yes >&2", "exec >&- 2>&-; sleep 3600"])
def test_a_program_that_does_not_end(words: str) -> None:
    with pytest.raises(ProcessError, match=r"sh has not ended within 0\.1 s, and was killed"):
        call(["sh", "-c", words], None, timeout_s=0.1).run()


def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    output = call(["sh", "-c", "sleep 3600 & echo $!"], None, timeout_s=PATIENCE_S).run()
    os.kill(int(output), 9)


def test_a_program_that_says_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_call, "LARGEST_OUTPUT_MB", 1)
    with pytest.raises(ProcessError, match="wrote more than 1 MB, and was killed"):
        call(["yes"], None).run()


def test_killing_it_from_another_thread_with_what_it_has_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    running = call(["sh", "-c", f"sleep 3600 & echo $! > {file}; wait"], None)
    told: list[str] = []

    def run() -> None:
        try:
            running.run()
        except ProcessError as error:
            told.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: file.exists() and bool(file.read_text()))
    running.kill()
    thread.join(PATIENCE_S)
    assert told == ["sh was killed by SIGKILL"]
    until(lambda: not is_running(int(file.read_text())))
    with pytest.raises(ProcessError, match="not wanted any more"):
        running.run()


def test_finding_a_program(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="there is no program no-such-program"):
        Program(["no-such-program"]).find(".")
    script = tmp_path / "say"
    script.write_text("#!/bin/sh\necho here: $0; pwd\n")
    program = Program(["./say"])
    with pytest.raises(ProcessError, match=r"there is no program \./say"):
        program.find(str(tmp_path))
    script.chmod(0o755)
    program.find(str(tmp_path))
    assert program.call(None, wants_output=True).run().decode().splitlines()[1] == str(tmp_path)


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf")])
def test_a_program_has_a_time(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s is"):
        Program(["true"], timeout_s=timeout_s)
