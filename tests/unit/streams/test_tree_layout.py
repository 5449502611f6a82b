"""Where a file belongs is told by its path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import StreamError
from penstock.streams.tree_layout import FileInTree, TreeLayout, natural

NAME = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("pattern", "source", "path", "place"),
    [
        ("", "", "raw/a/b/f.cbf", FileInTree("raw", "a/b")),
        ("", "", "processed/f.h5", FileInTree("processed", ".")),
        ("", "eiger", "raw/a/f.cbf", FileInTree("eiger", "a")),
        ("*/{source}/{stream}/*", "", "raw/eiger/run/f", FileInTree("eiger", "run")),
        ("*/{source}/{stream}/*", "", "raw/eiger/run/deeper/f", None),
        ("raw/**/{stream}/*.cbf", "", "raw/run/f.cbf", FileInTree("raw", "run")),
        ("raw/**/{stream}/*.cbf", "", "raw/a/b/run/f.cbf", FileInTree("raw", "run")),
        ("raw/**/{stream}/*.cbf", "", "raw/run/fxcbf", None),
        ("raw/{stream}/**", "", "raw/run/deeper/f", FileInTree("raw", "run")),
        ("raw/{stream}_{id}.cbf", "eiger", "raw/run_7_00012.cbf", FileInTree("eiger", "run_7", 12)),
        ("raw/{stream}_{id0}.cbf", "", "raw/run_00000.cbf", FileInTree("raw", "run", 1)),
        ("raw/{stream}_{id}.cbf", "", "raw/run_0.cbf", None),
        ("raw/{stream}_{id}.cbf", "", f"raw/run_{1 << 64}.cbf", None),
        ("raw/{stream}_{id}.cbf", "", "raw/run_x.cbf", None),
    ],
)
def test_a_path_tells_its_stream(pattern: str, source: str, path: str, place: FileInTree | None) -> None:
    assert TreeLayout(pattern, source).place(path) == place


@pytest.mark.parametrize(
    ("pattern", "source", "why"),
    [
        ("scratch/{stream}/*", "", "begin it with raw/"),
        ("raw/*", "", "does not say what the stream"),
        ("raw/{stream}/{stream}", "", "something twice"),
        ("raw/{stream}/{id}{id0}", "", "something twice"),
        ("raw/{stream}/{run}", "", "what is '{run}'"),
        ("raw/{stream}/{", "", "what is '{'"),
        ("raw/{source}/{stream}/*", "eiger", "leave one out"),
    ],
)
def test_a_pattern_that_tells_nothing_is_refused(pattern: str, source: str, why: str) -> None:
    with pytest.raises(StreamError, match=why):
        TreeLayout(pattern, source)


@given(NAME, NAME, st.integers(1, (1 << 64) - 1))
def test_what_is_written_by_a_pattern_is_read_by_it(source: str, stream: str, number: int) -> None:
    place = TreeLayout("raw/{source}/{stream}/f{id}").place(f"raw/{source}/{stream}/f{number:08}")
    assert place == FileInTree(source, stream, number)


@given(st.lists(st.text(st.sampled_from("ab019 _"), max_size=6)))
def test_any_names_have_an_order(names: list[str]) -> None:
    ordered = sorted(names, key=natural)
    assert sorted(ordered) == sorted(names)
    assert sorted(["f10", "f9", "f09a"], key=natural) == ["f9", "f09a", "f10"]
