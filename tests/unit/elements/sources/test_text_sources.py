"""Lines, JSON, tables and columns of text: what is given, what is left out, and with which words."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements.item_source import ItemSource
from penstock.elements.line_splitter import LineSplitter
from penstock.elements.sources import csv as csv_module
from penstock.elements.sources.csv import csv
from penstock.elements.sources.json_lines import json_lines
from penstock.elements.sources.lines import lines
from penstock.elements.sources.text_arrays import text_arrays
from penstock.elements.text_source import TextFile
from penstock.elements.unparsable_lines import UnparsableLines
from penstock.errors import SourceError
from tests.unit.elements.sources.reading import all_of

Written = Callable[[str], str]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(text: str) -> str:
        path = tmp_path / "a.txt"
        path.write_text(text)
        return str(path)

    return write


def test_lines(written: Written) -> None:
    assert all_of(lines(written("one\n\ntwo"))) == ["one", "", "two"]
    assert all_of(lines(written(""))) == []


def test_a_path_is_the_pipelines(written: Written, tmp_path: Path) -> None:
    written("one\n")
    source = lines("a.txt")
    source.folder = str(tmp_path)
    assert all_of(source) == ["one"]


def test_lines_at_a_pace(written: Written) -> None:
    assert all_of(lines(written("one\ntwo\n"), every_s=0.001)) == ["one", "two"]


def test_a_long_file_comes_in_lists(written: Written) -> None:
    expected = [f"line {number} " + "x" * 100 for number in range(10_000)]
    source = ItemSource.made(lines, {"path": written("\n".join(expected))}, "log")
    assert source.in_chunks
    assert source.items is not None
    chunks = list(source.items)
    assert 1 < len(chunks) < 100
    assert [line for chunk in chunks for line in chunk] == expected


def test_troubles_are_on_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\n\xff\n")
    source = lines(str(tmp_path / "a.txt"))
    assert all_of(source) == ["one"]
    assert source.unparsable == 1
    assert list(source.troubles) == [rf"{tmp_path}/a.txt, line 2: not utf-8: b'\xff'"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"path": ""}, "path is empty"),
        ({"path": "-", "follow": True}, "standard input is waited for"),
        ({"path": "a", "only_new": True}, "add follow: true"),
        ({"path": "a", "every_s": -1}, "every_s is -1"),
        ({"path": "a", "every_s": math.nan}, "every_s is nan"),
        ({"path": "a", "encoding": "utf-16"}, "convert the file to utf-8"),
    ],
)
def test_arguments_of_lines(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        lines(**arguments)


@pytest.mark.parametrize(
    ("path", "text"), [("no.txt", "no.txt: cannot be read: No such file"), (".", "Is a directory")]
)
@pytest.mark.parametrize("arguments", [{}, {"every_s": 0.001}, {"follow": True}], ids=["at once", "paced", "followed"])
def test_what_cannot_be_read(tmp_path: Path, path: str, text: str, arguments: dict[str, Any]) -> None:
    source = lines(path, **arguments)
    source.folder = str(tmp_path)
    with pytest.raises(SourceError, match=text):
        all_of(source)


def test_what_is_no_file_is_not_waited_for_unasked() -> None:
    with pytest.raises(SourceError, match="/dev/zero is no regular file; add follow: true"):
        all_of(lines("/dev/zero"))


def test_json(written: Written) -> None:
    source = json_lines(written('{"a": 1}\n\n{"a": NaN}\n{"a": \nnull\n[1, 2]\n"x"\n' + "[" * 100_000))
    found = all_of(source)
    assert found[0] == {"a": 1}
    assert math.isnan(found[1]["a"])
    assert found[2:] == [[1, 2], "x"]
    assert source.unparsable == 3
    assert [text.partition(", ")[2][:14] for text in source.troubles] == [
        "line 4: no JSO",
        "line 5: null i",
        "line 8: no JSO",
    ]


def test_null_among_good_lines(written: Written) -> None:
    source = json_lines(written("1\nnull\n2\n"))
    assert (all_of(source), source.unparsable) == ([1, 2], 1)


def test_a_table(written: Written) -> None:
    source = csv(written('n, x ,who\r\n1,0.5,"a, b"\n\n-2,,"two\nlines"\n3,nan,"say ""so"""\n4,1_0,+7\n'))
    first, second, third, fourth = all_of(source)
    assert first == {"n": 1, "x": 0.5, "who": "a, b"}
    assert second == {"n": -2, "x": None, "who": "two\nlines"}
    assert (third["who"], math.isnan(third["x"])) == ('say "so"', True)
    assert fourth == {"n": 4, "x": "1_0", "who": 7}
    assert source.unparsable == 0


def test_wrong_rows_are_named(written: Written) -> None:
    source = csv(written('n,x\n1\n2,3\n4,5,6\n"7"8,\n9,"10'))
    assert all_of(source) == [{"n": 2, "x": 3}]
    assert [text.partition(", ")[2] for text in source.troubles] == [
        "line 2: 1 values, not 2 as in the header",
        "line 4: 3 values, not 2 as in the header",
        "line 5: no row: ',' expected after '\"'",
        "line 6: a quote is opened and not closed within 1 lines",
    ]


def test_a_quote_that_nobody_closes_does_not_swallow_the_file(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_module, "_LONGEST_ROW", 3)
    source = csv(written('n\n1\n"2\n3\n4\n5\n6\n'))
    assert all_of(source) == [{"n": 1}, {"n": 5}, {"n": 6}]
    assert source.unparsable == 1


def test_a_table_without_a_header_and_with_another_delimiter(written: Written) -> None:
    source = csv(written("007;1\n"), header=["sample", "n"], delimiter=";", as_text=["sample"])
    assert all_of(source) == [{"sample": "007", "n": 1}]


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("a,a\n", {}, 'line 1: "a" stands twice in the header'),
        ("a,\n", {}, "line 1: column 2 has no name"),
        ("a,b\n", {"as_text": ["c"]}, 'line 1: as_text has "c", which is no column; there are a, b'),
    ],
)
def test_wrong_headers(written: Written, text: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        all_of(csv(written(text), **arguments))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"delimiter": ",,"}, "write one character"),
        ({"header": "abc"}, r"write a list, \[abc\]"),
        ({"header": ["a", "a"]}, 'header has "a" twice'),
        ({"header": ["a"], "as_text": ["b"]}, 'as_text has "b"'),
        ({"follow": True, "only_new": True}, "add header"),
    ],
)
def test_arguments_of_tables(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        csv("a.csv", **arguments)


@given(
    st.lists(st.tuples(st.text('ab,"\n', max_size=6), st.integers(-5, 5)), max_size=20),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_a_table_may_come_in_any_pieces(rows: list[tuple[str, int]], cuts: list[int]) -> None:
    quoted = "".join('"{}",{}\n'.format(text.replace('"', '""'), number) for text, number in rows)
    whole = f"text,n\n{quoted}".encode()
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    unparsable = UnparsableLines("a.csv")
    parser, splitter = csv_module._Rows(unparsable, [], ",", frozenset(["text"])), LineSplitter(unparsable)
    found: list[Any] = []
    for begin, end in zip([0, *ends], ends, strict=False):
        found += [item for first, some in splitter.feed(whole[begin:end]) for item in parser.parsed(first, some)]
    assert found + parser.rest() == [{"text": text, "n": number} for text, number in rows]
    assert unparsable.count == 0


def test_columns(written: Written) -> None:
    source = text_arrays(written("# t v\n0 9 1e3\n1 9 nan # late\n\n2 9 -1\n"), {"t": 0, "v": 2}, n=2)
    first, second = all_of(source)
    np.testing.assert_array_equal(first["t"], [0, 1])
    np.testing.assert_array_equal(first["v"], [1000, math.nan])
    np.testing.assert_array_equal(second["v"], [-1])
    assert first["v"].dtype == np.float64
    assert source.unparsable == 0


def test_wrong_rows_of_columns_are_named(written: Written) -> None:
    source = text_arrays(written("0 1\n2\n3 x\n4 5\n"), {"t": 0, "v": 1}, n=10)
    (block,) = all_of(source)
    assert block["v"].tolist() == [1, 5]
    assert [text.partition(", ")[2] for text in source.troubles] == [
        "line 2: 1 values, so there is no column 1 (v)",
        "line 3: column 1 (v) is 'x', no number",
    ]


def test_an_empty_column_before_a_tab_keeps_its_place(written: Written) -> None:
    (block,) = all_of(text_arrays(written("\t5\n\t6\n"), {"v": 1}, delimiter="\t"))
    assert block["v"].tolist() == [5, 6]


@given(st.integers(1, 9), st.lists(st.integers(0, 200), max_size=5))
def test_blocks_do_not_depend_on_pieces(n: int, cuts: list[int]) -> None:
    whole = "".join(f"{row} {-row}\n" for row in range(40)).encode()
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    source = text_arrays("a.txt", {"v": 1}, n=n)
    found: list[Any] = []
    for begin, end in zip([0, *ends], ends, strict=False):
        found += source._items(whole[begin:end])
    assert [len(block["v"]) for block in found] == [n] * (40 // n)
    values = [value for block in found + source._parser.rest() for value in block["v"]]
    assert values == [-row for row in range(40)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"columns": {}}, "there is no column"),
        ({"columns": {"t": -1}}, "column t is -1"),
        ({"columns": {"t": 0}, "n": 0}, "n is 0"),
        ({"columns": {"t": 0}, "delimiter": "::"}, "write one character"),
    ],
)
def test_arguments_of_columns(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        text_arrays("a.txt", **arguments)


def test_json_that_goes_out_comes_back(written: Written) -> None:
    items = [{"n": number, "text": "äöü\u2028"} for number in range(1000)]
    source = json_lines(written("\n".join(map(json.dumps, items))))
    assert isinstance(source, TextFile)
    assert all_of(source) == items
