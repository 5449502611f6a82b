"""Simulators with mistakes: the error says which method, what it gave and what would be right."""

from typing import Any

import pytest

from penstock.errors import UserCodeError
from penstock.services.simulator_call import call_simulator, packets_of


class Camera:
    """Gives what it is told to."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def point(self, number: int) -> Any:
        """Give it, or raise it."""
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


@pytest.mark.parametrize("packets", [[], [[b"a"]], [[b"a", b""], [b"b"]], [(b"a",)]])
def test_packets_are_given_on(packets: Any) -> None:
    assert packets_of(Camera(packets).point, 3) is packets


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"abc", "returned a bytes; a list of packets is due, each a list of bytes: [[packet]]"),
        ([b"abc"], "returned a list with a bytes in it; a list of packets is due"),
        ([["abc"]], "returned a packet with a str in it; a list of packets is due"),
        (None, "returned a NoneType; a list of packets is due"),
        (ValueError("no such point"), "raised ValueError: no such point (test_simulator_call.py, line 20)"),
    ],
)
def test_anything_else_is_refused(given: Any, says: str) -> None:
    with pytest.raises(UserCodeError) as raised:
        packets_of(Camera(given).point, 3)
    assert str(raised.value).startswith(f"Camera.point {says}")


def test_a_class_that_cannot_be_made_is_named() -> None:
    with pytest.raises(UserCodeError, match="Camera raised TypeError: "):
        call_simulator(Camera)
