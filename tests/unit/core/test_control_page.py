"""The page about commands says what the code does: the table, states, fields, problems and limits."""

import re
from inspect import signature
from pathlib import Path
from typing import get_args

import pytest

from penstock.cli import ctl, serve
from penstock.core import answered, command
from penstock.core.command import COMMANDS, Problem, Reply
from penstock.core.states import State
from penstock.pipeline.control_address import control_problem
from penstock.services import command_audit, control_desk, control_door
from penstock.wire.control import LONGEST, Wish

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "reference" / "control.md").read_text()
ROW = re.compile(
    r"^\| `(?P<name>[\w-]+)` \| (?P<aims>[^|]+) \|(?P<arguments>[^|]*)\| (?P<does>[^|]*) \|$", re.MULTILINE
)
WHEN = dict(re.findall(r"^\| (?P<states>`[^|]+`|between[^|]+) \| (?P<allowed>[^|]+) \|$", PAGE, re.MULTILINE))


def words(text: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", text)


def test_the_table_is_that_of_the_code() -> None:
    written = {
        row["name"]: (row["aims"].split(", "), words(row["arguments"]), row["does"]) for row in ROW.finditer(PAGE)
    }
    assert written == {
        name: ([str(aim) for aim in kind.aims], list(kind.arguments), kind.does) for name, kind in COMMANDS.items()
    }


def test_what_is_allowed_when_is_what_the_code_allows() -> None:
    told = {state: allowed for states, allowed in WHEN.items() for state in words(states) if "between" not in states}
    for state in State:
        allowed = command.allowed_now(state, has_run=state is not State.STOPPED, stays=False, has_logs=True)
        text = told[state]
        expected = words(text) if not text.startswith("all but") else [
            name for name in COMMANDS if name not in words(text.partition(";")[0])
        ]  # fmt: skip
        assert sorted(expected) == sorted(allowed), state
    (between,) = (words(allowed) for states, allowed in WHEN.items() if "between" in states)
    assert sorted(between) == sorted(command.allowed_now(State.STOPPED, has_run=False, stays=True, has_logs=True))


def test_every_field_and_problem_is_on_the_page() -> None:
    fields = [*Reply.__struct_fields__, *Wish.__struct_fields__]
    assert [name for name in fields if f"`{name}`" not in PAGE and f'"{name}"' not in PAGE] == []
    assert [problem for problem in Problem if problem and f"| `{problem}` |" not in PAGE] == []


def test_every_option_of_the_command_is_on_the_page() -> None:
    infos = [info for annotation in ctl.ctl.__annotations__.values() for info in get_args(annotation)[1:]]
    options = [info.default for info in infos if str(info.default).startswith("--")]  # where typer keeps the first word
    assert len(options) == 7
    assert [option for option in options if option not in PAGE] == []


@pytest.mark.parametrize(
    "said",
    [
        f"| {LONGEST >> 20} MiB; who sends more",
        f"wait for their answer | {control_desk.MOST_PENDING} |",
        f"| {control_desk.AT_ONCE} at once, and then {control_desk.A_SECOND} a second |",
        f"| {control_door.BATCH} in {control_door.BATCH_S * 1000:g} ms;",
        f"a target, who | {command.LONGEST_WORD} characters",
        f"a text of at most {command.LONGEST_WORD} characters",
        f"The last {command_audit.MOST_RECORDS} commands",
        f"and {answered.MOST_KEPT:,} of them at most",
        f"within {control_desk.LATE_S:g} s",
    ],
)
def test_a_limit_is_what_the_page_says(said: str) -> None:
    assert said in PAGE


def test_replies_are_remembered_for_an_hour() -> None:
    assert answered.KEPT_S == 3600


def test_its_examples_do_not_have_the_port_of_the_stream_server() -> None:
    port = signature(serve.serve).parameters["listen"].default
    addresses = re.findall(r"tcp://127\.0\.0\.1:(\d+)", f"{PAGE} {control_problem('inproc://x')}")
    assert len(addresses) >= 3
    assert port not in addresses
