"""Trigger maps as they are posted, files of dumps and of parameters, and results by JSONPath."""

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.compat.dranspose.arguments import UNDESCRIBED, digest, work_parameters
from penstock.compat.dranspose.dumps import encode_event, read_dump
from penstock.compat.dranspose.events import event_data
from penstock.compat.dranspose.parameter_file import read_parameters, written_parameters
from penstock.compat.dranspose.results import find_results
from penstock.compat.dranspose.served.parameters import FloatParameter, IntParameter
from penstock.compat.dranspose.sources import DumpSource
from penstock.compat.dranspose.trigger_maps import START_END, scan_map, uniform, wrapped
from penstock.errors import CheckError, MapError, SelectionError, SourceError

GENERIC, DEBUG = frozenset({"generic"}), frozenset({"debug"})
CELLS = st.none() | st.lists(
    st.fixed_dictionaries(
        {}, optional={"constraint": st.none() | st.integers(), "tags": st.lists(st.text()) | st.integers()}
    )
)
JSON = (
    st.dictionaries(st.text(max_size=3), st.lists(CELLS) | st.none() | st.integers())
    | st.lists(st.integers())
    | st.none()
)
TREE = {"map": {"x": np.arange(10), "image": np.arange(24).reshape(2, 3, 4)}, "n": 5}


def test_start_and_end_go_to_every_tag() -> None:
    main = {"a": [[{"constraint": 1}], [], None], "b": [[{"tags": ["debug"]}], None, None]}
    document = wrapped({"main": main}, ["main", "main"])
    assert document["parts"][START_END]["a"] == [
        [{"tags": ["debug"], "constraint": None}, {"tags": ["generic"], "constraint": None}]
    ]
    found = scan_map(document, [GENERIC, DEBUG])
    assert (found.length, found.wrap) == (8, False)
    assert [found.count(stream) for stream in ("a", "b")] == [6, 4]
    assert scan_map(wrapped({"main": main}, ["main"], all_wrap=False), [GENERIC, DEBUG]).length == 3


@pytest.mark.parametrize(
    ("parts", "sequence", "text"),
    [
        ({"main": {"a": [None], "b": []}}, ["main"], "equally many"),
        ({"main": {"a": [None]}}, ["other"], "no part is called 'other'"),
        ({}, [], "no events"),
        ({"main": {"a": []}}, ["main", "main"], "no events"),
        ({"main": {"a": [[{"constraint": 0, "tags": ["gold"]}]]}}, ["main"], "gold"),
        ({"main": {"a": [[{"constraint": 0}, {"constraint": 1}]]}}, ["main"], "2 different workers"),
        ({"main": {"a": [[{"colour": 0}]]}}, ["main"], "colour"),
    ],
)
def test_a_wrong_map_is_refused(parts: Any, sequence: list[str], text: str) -> None:
    with pytest.raises(MapError, match=text):
        scan_map(wrapped(parts, sequence), [GENERIC])


@given(JSON, st.lists(st.text(max_size=3) | st.just("main"), max_size=3))
def test_nothing_but_a_map_error_comes_of_garbage(part: Any, sequence: list[str]) -> None:
    try:
        found = scan_map(wrapped({"main": part}, sequence), [GENERIC])
    except MapError:
        return
    assert found.length


def test_every_point_is_an_event() -> None:
    assert scan_map(wrapped({"scan": uniform(["a", "b"], 50)}, ["scan"]), [GENERIC]).length == 52


@settings(max_examples=25)  # each writes files
@given(
    st.lists(
        st.dictionaries(st.text(min_size=1), st.tuples(st.text(), st.lists(st.binary(), max_size=3)), max_size=3),
        max_size=5,
    )
)
def test_events_are_dumped_and_read(tmp_path_factory: pytest.TempPathFactory, events: list[Any]) -> None:
    content = b"".join(encode_event(k, streams) for k, streams in enumerate(events))
    for path in (tmp_path_factory.mktemp("d") / "a.cbors", tmp_path_factory.mktemp("d") / "a.cbors.gz"):
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        found = [{n: (s.typ, s.frames) for n, s in message.streams.items()} for message in read_dump(path)]
        assert found == events


def test_a_dump_cut_anywhere_is_named(tmp_path: Path) -> None:
    event = encode_event(0, {"a": ("STINS", [b"{}", b"xyz"])})
    for length in range(1, len(event)):
        path = tmp_path / f"{length}.cbors"
        path.write_bytes(event + event[:length])
        with pytest.raises(SourceError, match="event 1 of it"):
            list(read_dump(path))


def test_what_comes_before_a_cut_is_given(tmp_path: Path) -> None:
    events = [encode_event(k, {"a": ("STINS", [b"{}"])}) for k in range(4)]
    (tmp_path / "a.cbors").write_bytes(b"".join(events)[:-3])
    (tmp_path / "b.cbors").write_bytes(encode_event(1, {"b": ("x", [])}) + encode_event(2, {"b": ("x", [b"y"])}))
    source = DumpSource([str(tmp_path / "a.cbors"), str(tmp_path / "b.cbors")])
    source.open()
    (block,) = source.read(0).blocks
    found = [event_data(message) for message in block.messages()]
    assert [(event.event_number, sorted(event.streams)) for event in found] == [
        (0, ["a"]), (1, ["a", "b"]), (2, ["a", "b"]),
    ]  # fmt: skip
    assert [frame.bytes for frame in found[2].streams["b"].frames] == [b"y"]
    with pytest.raises(SourceError, match="in the midst of event 3"):
        source.read(0)


@pytest.mark.parametrize(
    "item",
    [5, [b"x"], cbor2.CBORTag(42877, [1]), cbor2.CBORTag(42877, [0, {"a": [1]}]), cbor2.CBORTag(42877, [-1, {}])],
)
def test_what_is_no_dump_is_refused(tmp_path: Path, item: Any) -> None:
    (tmp_path / "a.cbors").write_bytes(cbor2.dumps(item))
    with pytest.raises(SourceError, match="event 0 of it"):
        list(read_dump(tmp_path / "a.cbors"))


def test_parameters_are_read_from_every_form(tmp_path: Path) -> None:
    listed = [{"name": "roi", "data": "5"}, {"name": "mask", "data": "\0"}]
    for content in (json.dumps(listed).encode(), cbor2.dumps(listed), pickle.dumps(listed)):
        (tmp_path / "p").write_bytes(content)
        assert read_parameters(tmp_path / "p") == {"roi": b"5", "mask": b"\0"}
    for content in (b"\xff\xff", b"{}", b'[{"name": "x"}]', b""):
        (tmp_path / "p").write_bytes(content)
        with pytest.raises(CheckError, match="write"):
            read_parameters(tmp_path / "p")


def test_parameters_are_typed_and_hashed_alike_everywhere(tmp_path: Path) -> None:
    row, scale = IntParameter(name="row.n", default=3), FloatParameter(name="scale")
    here = work_parameters({"row.n": row}, {"scale": scale}, {"row_n": 7, UNDESCRIBED: {"scale": b"2", "free": b"x"}})
    there = work_parameters(
        {"scale": scale}, {"row.n": row}, {"scale": 2.0, UNDESCRIBED: {"row.n": b"7", "free": b"x"}}
    )
    assert {name: each.value for name, each in here.items()} == {"row.n": 7, "scale": 2.0, "free": None}
    assert digest(here.values()) == digest(here.values()) != digest(there.values())  # "2" and "2.0" are different bytes
    ending, content = written_parameters(here)
    (tmp_path / f"p.{ending}").write_bytes(content)
    assert read_parameters(tmp_path / f"p.{ending}") == {"row.n": b"7", "scale": b"2", "free": b"x"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("n", [5]),
        ("map.x.`numpy(2:4)`", [[2, 3]]),
        ("map.image.`numpy(..., 1)`", [[[1, 5, 9], [13, 17, 21]]]),
        ("map.image.`numpy(1,::2,-1)`", [[15, 23]]),
        ("map.*.`numpy(0)`", [0, TREE["map"]["image"][0].tolist()]),  # type: ignore[index]
        ("nothing", []),
    ],
)
def test_results_are_found(path: str, found: list[Any]) -> None:
    assert [np.asarray(each).tolist() for each in find_results(TREE, path)] == found


@pytest.mark.parametrize(
    "path", ["[[", "map.x.`numpy(a)`", "map.x.`numpy(1,1)`", "map.x.`numpy()`", "map.x.`numpy(99)`"]
)
def test_a_wrong_path_is_refused(path: str) -> None:
    with pytest.raises(SelectionError):
        find_results(TREE, path)
