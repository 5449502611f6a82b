"""What a child prints: whole lines, bounded, never waited for."""

import os
from collections.abc import Iterator

import pytest

from penstock.services.printed import LINE_LIMIT, Printed


class Talk:
    def __init__(self) -> None:
        reader, self.writer = os.pipe2(os.O_NONBLOCK)
        self.lines: list[str] = []
        self.printed = Printed(reader, self.lines.append)

    def end(self) -> None:
        os.close(self.writer)
        self.writer = -1


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    if talk.writer >= 0:
        talk.end()
    talk.printed.close()


def test_lines_come_when_they_are_whole(talk: Talk) -> None:
    os.write(talk.writer, b"one\n\ntw")
    assert talk.printed.read()
    assert talk.lines == ["one", ""]
    os.write(talk.writer, b"o\n")
    assert talk.printed.read()
    assert talk.lines == ["one", "", "two"]


def test_nothing_is_waited_for(talk: Talk) -> None:
    assert talk.printed.read()
    talk.end()
    assert not talk.printed.read()
    assert talk.lines == []


def test_a_last_line_needs_no_end() -> None:
    talk = Talk()
    os.write(talk.writer, b"last")
    talk.end()
    assert not talk.printed.read(chunks=2)
    talk.printed.close()
    assert talk.lines == ["last"]


def test_a_line_without_end_is_handed_on_in_pieces(talk: Talk) -> None:
    os.write(talk.writer, b"x" * (2 * LINE_LIMIT + 5))
    talk.printed.read()
    assert [len(line) for line in talk.lines] == [LINE_LIMIT, LINE_LIMIT]
    os.write(talk.writer, b"\n")
    talk.printed.read()
    assert talk.lines[2:] == ["xxxxx"]


def test_what_is_not_text_is_shown(talk: Talk) -> None:
    os.write(talk.writer, "µ\n".encode() + b"\xff\n")
    talk.printed.read()
    assert talk.lines == ["µ", r"\xff"]
