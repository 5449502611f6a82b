"""Lines out of bytes: however they are cut, the same lines, and nothing that is wrong is taken for text."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements import line_splitter
from penstock.elements.line_splitter import LineSplitter, check_encoding
from penstock.elements.unparsable_lines import KEPT, UnparsableLines


def _split(chunks: Iterable[bytes], encoding: str = "utf-8") -> tuple[list[tuple[int, str]], UnparsableLines]:
    unparsable = UnparsableLines("a.txt")
    splitter = LineSplitter(unparsable, encoding)
    runs = [run for chunk in chunks for run in splitter.feed(chunk)] + list(splitter.finish())
    return [(first + at, line) for first, lines in runs for at, line in enumerate(lines)], unparsable


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n", codec="utf-8"))), st.data())
def test_cuts_change_nothing(lines: list[str], data: st.DataObject) -> None:
    whole = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    found, unparsable = _split(chunks)
    if lines:
        lines[0] = lines[0].removeprefix("\ufeff")
    assert found == list(enumerate(lines, 1))
    assert unparsable.count == 0


def test_ends_of_lines() -> None:
    assert _split([b"a\r\nb\nc\rd\n\ne"])[0] == [(1, "a"), (2, "b"), (3, "c\rd"), (4, ""), (5, "e")]
    assert _split([b"a\r", b"\nb"])[0] == [(1, "a"), (2, "b")]
    assert _split([])[0] == []


def test_what_is_no_text_is_named_and_left_out() -> None:
    found, unparsable = _split([b"a\n\xff\xfe\nc\n", b"d\xe4\nf"])
    assert found == [(1, "a"), (3, "c"), (5, "f")]
    assert list(unparsable.texts) == [r"a.txt, line 2: not utf-8: b'\xff'", r"a.txt, line 4: not utf-8: b'\xe4'"]
    assert _split([b"d\xe4\n"], "latin-1")[0] == [(1, "dä")]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(line_splitter, "LONGEST_MB", 20e-6)
    whole = b"a\n" + b"x" * 50 + b"\nb\n" + b"y" * 30
    found, unparsable = _split([whole[at : at + size] for at in range(0, len(whole), size)])
    if size < 100:  # what has come at once is in memory already
        assert found == [(1, "a"), (3, "b")]
        assert [text.partition(":")[0] for text in unparsable.texts] == ["a.txt, line 2", "a.txt, line 4"]
    else:
        assert [number for number, _ in found] == [1, 2, 3]


@pytest.mark.parametrize(("encoding", "text"), [("utf-16", "byte by byte; convert"), ("klingon", "no encoding")])
def test_encodings_that_cannot_be(encoding: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_encoding(encoding)
    assert check_encoding("latin-1") == "latin-1"


def test_a_log_does_not_grow_with_each(caplog: pytest.LogCaptureFixture) -> None:
    lines = UnparsableLines("a.txt")
    for number in range(1, 1235):
        lines.lose(number, "wrong")
    assert (lines.count, len(lines.texts), lines.texts[-1]) == (1234, KEPT, "a.txt, line 1234: wrong")
    assert [int(record.args[1]) for record in caplog.records] == [*range(1, 11), 100, 1000]  # type: ignore[index,arg-type]


def test_what_is_new_is_told_once() -> None:
    lines = UnparsableLines("a.txt")
    for number in range(1, 151):
        lines.lose(number, "wrong")
    first, second = lines.news(), lines.news()
    assert (sum(count for _, count in first), second) == (150, [])
    assert first[0] == ("a.txt: and more", 50)
    lines.lose(151, "wrong")
    assert lines.news() == [("a.txt, line 151: wrong", 1)]
