"""The same command again is answered alike, as long as anybody may ask again."""

import pytest

from penstock.core.answered import Answered
from penstock.core.command import Command, Reply
from penstock.errors import CommandError


def reply(number: int) -> Reply:
    return Reply(id=str(number), name="stop", target="", outcome="done", text=str(number))


def test_the_same_command_has_the_same_reply() -> None:
    answered = Answered()
    command = Command(name="stop", id="1", who="me")
    assert answered.find(command, 0.0) is None
    answered.keep(command, reply(1), 0.0)
    assert answered.find(Command(name="stop", id="1", who="me"), 1.0) == reply(1)
    assert answered.find(Command(name="stop", id="1", who="you"), 1.0) is None, "ids are each one's own"


@pytest.mark.parametrize(
    "other",
    [
        Command(name="start", id="1"),
        Command(name="stop", id="1", target="fit"),
        Command(name="stop", id="1", arguments={"reason": "x"}),
    ],
)
def test_an_id_is_of_one_command(other: Command) -> None:
    answered = Answered()
    answered.keep(Command(name="stop", id="1"), reply(1), 0.0)
    with pytest.raises(CommandError, match=r"that of another command \(stop\)"):
        answered.find(other, 0.0)


def test_what_is_kept_is_bounded_in_number_and_age() -> None:
    answered = Answered(most=10, kept_s=60)
    for number in range(25):
        answered.keep(Command(name="stop", id=str(number)), reply(number), float(number))
    assert len(answered) == 10
    assert answered.find(Command(name="stop", id="14"), 25.0) is None
    assert answered.find(Command(name="stop", id="15"), 25.0) == reply(15)
    assert answered.find(Command(name="stop", id="24"), 84.0) == reply(24)
    assert answered.find(Command(name="stop", id="24"), 84.5) is None
    assert len(answered) == 0
