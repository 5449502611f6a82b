"""Commands, held against the table before anybody is asked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.command import COMMANDS, Command, allowed_now, check_command
from penstock.core.states import State
from penstock.errors import CommandError

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("command", "problem", "said"),
    [
        (Command(name="strat"), "unknown", 'did you mean "start"?'),
        (Command(name="Status"), "unknown", 'did you mean "status"?'),
        (Command(name=""), "unknown", "there are start, stop,"),
        (Command(name="x" * 300), "unknown", "xxx…"),
        (Command(name="stop", id="a" * 201), "malformed", "at most 200 characters"),
        (Command(name="stop", who="me\x1b[2J"), "malformed", "that can be printed"),
        (Command(name="stop", target="a\nb"), "malformed", r"'a\nb'"),
        (Command(name="stop", arguments={"now": True}), "argument", "it takes none"),
        (Command(name="set"), "argument", "set lacks values"),
        (Command(name="set", arguments={"values": 3}), "argument", "an object"),
        (
            Command(name="scale", target="fit", arguments={"workers": "3"}),
            "argument",
            "a whole number from 1 to 1024, or auto",
        ),
        (Command(name="scale", target="fit", arguments={"workers": True}), "argument", "is True"),
        (Command(name="scale", target="fit", arguments={"workers": 0}), "argument", "is 0"),
        (Command(name="mute", target="hot"), "argument", "mute lacks for_s: for how many seconds"),
        (Command(name="mute", target="hot", arguments={"for_s": 0}), "argument", "seconds, above 0 and at most 31,5"),
        (Command(name="mute", target="hot", arguments={"for_s": float("nan")}), "argument", "is nan; seconds"),
        (Command(name="drain", arguments={"reason": "a\nb"}), "argument", "a text of one line"),
        (Command(name="drain", arguments={"why": "x"}), "argument", "it takes reason"),
    ],
)
def test_what_is_wrong_is_said(command: Command, problem: str, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        check_command(command)
    assert caught.value.problem == problem
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400, "whatever came, the answer is a line"


def test_every_command_of_the_table_can_be_right() -> None:
    right: dict[str, Any] = {
        "text": "x", "number": 3, "count": 0, "seconds": 0.5, "object": {"a": 1}, "number or auto": "auto",
    }  # fmt: skip
    for name, kind in COMMANDS.items():
        arguments = {key: right[argument.type] for key, argument in kind.arguments.items()}
        assert check_command(Command(name=name, target="fit", arguments=arguments)) is kind


@given(
    name=st.sampled_from(list(COMMANDS)) | st.text(),
    target=st.text(), who=st.text(), id=st.text(), arguments=st.dictionaries(st.text(), ANYTHING),
)  # fmt: skip
def test_anything_is_right_or_an_error_of_ours(
    name: str,
    target: str,
    who: str,
    id: str,  # noqa: A002 - the glossary's word
    arguments: dict[str, Any],
) -> None:
    command = Command(name=name, target=target, who=who, id=id, arguments=arguments)
    said = ""
    try:
        kind = check_command(command)
        assert COMMANDS[name] is kind
        assert set(arguments) <= set(kind.arguments)
    except CommandError as error:
        said = str(error)
    assert said.isprintable()


def test_a_run_that_is_ending_is_not_started_again() -> None:
    now = allowed_now(State.FINISHING, has_run=True, stays=True, has_logs=True)
    assert {"status", "abort", "shutdown", "drain", "set", "restart", "rotate-logs"} <= set(now)
    assert not {"start", "stop", "reset", "scale", "arm", "start-data"} & set(now)


@pytest.mark.parametrize("state", [state for state in State if state is not State.STOPPED])
def test_a_run_can_always_be_ended_and_seen(state: State) -> None:
    now = allowed_now(state, has_run=True, stays=False, has_logs=False)
    assert {"abort", "shutdown", "drain", "finish", "status"} <= set(now)
    assert "rotate-logs" not in now
    assert "arm" not in now


def test_between_runs_another_one_can_be_armed_or_the_program_ended() -> None:
    between = allowed_now(State.STOPPED, has_run=False, stays=True, has_logs=False)
    assert set(between) == {"status", "feedback", "arm", "shutdown", "clean-shutdown"}
    assert allowed_now(State.STOPPED, has_run=False, stays=False, has_logs=False) == ["status", "feedback"]
