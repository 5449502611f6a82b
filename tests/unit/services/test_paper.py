"""The memory file of a child: its request, then its report, never one for the other."""

import os
from collections.abc import Iterator

import pytest

from penstock.services.paper import REPORT_LIMIT, read_report, read_request, write_paper, write_report


@pytest.fixture
def paper() -> Iterator[int]:
    paper = write_paper("worker", "module:function", {"a": 1})
    yield paper
    os.close(paper)


def test_a_request_that_was_not_read_is_no_report(paper: int) -> None:
    assert read_report(paper, os.fstat(paper).st_size) == ""


def test_a_report_follows_the_request(paper: int) -> None:
    size = os.fstat(paper).st_size
    request = read_request(paper)
    assert (request.name, request.function) == ("worker", "module:function")
    assert read_report(paper, size) == ""
    write_report(paper, "why")
    assert read_report(paper, size) == "why"


def test_a_long_report_keeps_its_end(paper: int) -> None:
    size = os.fstat(paper).st_size
    read_request(paper)
    write_report(paper, "é" * REPORT_LIMIT + "end")
    assert read_report(paper, size).endswith("éend")
    assert os.fstat(paper).st_size == size + REPORT_LIMIT


def test_the_memory_of_a_large_request_is_freed() -> None:
    paper = write_paper("worker", "module:function", {"map": "x" * 2_000_000})
    try:
        before = os.fstat(paper).st_blocks
        read_request(paper)
        assert os.fstat(paper).st_blocks == 0 < before
    finally:
        os.close(paper)
