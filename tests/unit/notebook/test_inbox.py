"""What comes over the WebSocket, in any order of views: the newest of each, and nothing that is no array."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.notebook.inbox import Inbox, Part, Problem

Update = tuple[str, int]


def messages(view: str, version: int) -> tuple[str, bytes]:
    array = np.arange(version, version + 3, dtype="<i4")
    head = {"view": view, "slice": "", "version": version, "position": 1, "shape": [3], "dtype": "<i4", "every": 1}
    return json.dumps({**head, "fewer": "mean"}), array.tobytes()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99))), st.sets(st.integers(0, 20)))
def test_of_every_view_the_newest_is_taken_once(updates: list[Update], looks: set[int]) -> None:
    inbox = Inbox()
    last: dict[str, Part] = {}
    due: dict[str, int] = {}
    for k, (view, version) in enumerate(updates):
        for message in messages(view, version):
            inbox.feed(message)
        due[view] = version
        if k in looks:
            last |= {part.view: part for part in inbox.take() if isinstance(part, Part)}
            assert {view: part.version for view, part in last.items()} == due
            assert not inbox
    last |= {part.view: part for part in inbox.take() if isinstance(part, Part)}
    assert {view: part.array.tolist() for view, part in last.items()} == {
        view: [version, version + 1, version + 2] for view, version in due.items()
    }


def test_a_problem_takes_the_place_of_a_part_and_what_is_said_without_elements_is_left() -> None:
    inbox = Inbox()
    for message in messages("a/v", 1):
        inbox.feed(message)
    inbox.feed('{"view": "a/v", "slice": "", "problem": "no view a/v"}')
    inbox.feed('{"view": "b/v", "slice": null, "version": 3, "position": 9}')
    inbox.feed('{"problem": "the wish was not understood"}')
    assert list(inbox.take()) == [Problem(view="a/v", slice="", text="no view a/v")]


@pytest.mark.parametrize("wrong", ["", "{", '{"shape": 3}', b"abc", '["view"]'])
def test_what_cannot_be_read_is_an_error_of_the_other_side(wrong: str | bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="WebSocket"):
        Inbox().feed(wrong)


@pytest.mark.parametrize("data", [b"", b"abc", bytes(13)])
def test_bytes_that_are_not_the_array_that_was_promised_are_one_too(data: bytes) -> None:
    inbox = Inbox()
    inbox.feed(messages("a/v", 1)[0])
    with pytest.raises(RemoteProtocolError, match="cannot be read"):
        inbox.feed(data)
