"""Drawings: every room is there, nothing stands on anything else, no line passes through a room."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.pipeline import Join, Pipeline, Plan, Sink, Source, Steps
from penstock.pipeline.graph import draw_text
from penstock.pipeline.graph_layout import lay_out
from penstock.pipeline.graph_svg import draw_svg

SVG = "{http://www.w3.org/2000/svg}"


def small() -> Plan:
    return Pipeline(
        name="a <b> & c",
        sources={"cam": Source("stins", connect="tcp://x:1"), "motor": Source("contrast", connect="tcp://y:1")},
        events={"scan": Join("cam", "motor", by="order")},
        stages={"watch": Steps("count", source="scan")},
        sinks={"out": Sink("print", source="watch"), "raw": Sink("print", source="cam", where="watch.ok")},
    ).plan()


def test_the_text_is_this() -> None:
    lines = [line.rstrip() for line in draw_text(small()).splitlines()]
    assert lines == [
        " cam ───┬──────────────────────────┐",
        " motor ─┼─┐                        └───── raw",
        "        └─┴─── scan ─────── watch ─────── out",
        "",
        "cam    source; stins",
        "motor  source; contrast",
        "scan   join; by order",
        "watch  steps; count",
        "out    sink; print",
        "raw    sink; print; where watch.ok",
    ]


def test_the_svg_is_sound_xml_with_a_dashed_condition() -> None:
    text = draw_svg(small())
    root = ET.fromstring(text)
    assert root.findtext(f"{SVG}title") == "a <b> & c"
    assert text.count("stroke-dasharray") == 1


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Chains of steps on one another, up to fourteen rooms."""
    names = [f"room{index}" for index in range(draw(st.integers(1, 12)))]
    known = ["cam", "motor"]
    stages = {}
    for name in names:
        stages[name] = Steps("count", source=draw(st.sampled_from(known)))
        known.append(name)
    sources = {name: Source("stins", connect="tcp://x:1") for name in ("cam", "motor")}
    sinks = {"out": Sink("print", source=draw(st.sampled_from(known)))}
    return Pipeline(sources=sources, stages=stages, sinks=sinks).plan()


@given(plans())
def test_no_two_points_share_a_place_and_no_edge_skips_a_layer(plan: Plan) -> None:
    layout = lay_out(plan)
    places = [(point.layer, row) for point, row in layout.rows.items()]
    assert len(set(places)) == len(places)
    assert all(edge.end.layer == edge.start.layer + 1 for edge in layout.edges)


@given(plans())
def test_a_line_enters_the_row_of_a_neighbour_only_from_it_alone(plan: Plan) -> None:
    layout = lay_out(plan)
    at = {(point.layer, row): point for point, row in layout.rows.items()}
    for point, row in layout.rows.items():
        feeders = {edge.start for edge in layout.edges if edge.end == point}
        neighbour = at.get((point.layer - 1, row))
        assert neighbour is None or feeders == {neighbour}


@given(plans())
def test_boxes_lie_apart_and_hold_their_text(plan: Plan) -> None:
    root = ET.fromstring(draw_svg(plan))
    boxes = [
        {k: float(v) for k, v in box.attrib.items() if k in ("x", "y", "width", "height")}
        for box in root.iter(f"{SVG}rect")
        if "rx" in box.attrib
    ]
    for index, a in enumerate(boxes):
        assert a["x"] >= 0
        assert a["x"] + a["width"] <= float(root.attrib["width"])
        assert a["y"] + a["height"] <= float(root.attrib["height"])
        for b in boxes[index + 1 :]:
            apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
            assert apart or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]


@pytest.mark.parametrize("text", [draw_text(small())])
def test_the_text_has_no_loose_ends(text: str) -> None:
    picture = text.split("\n\n")[0].splitlines()
    width = max(map(len, picture))
    grid = [line.ljust(width) for line in picture]
    for row, line in enumerate(grid):
        for found in re.finditer("[│┌┐└┘├┤┬┴┼]", line):
            column, character = found.start(), found[0]
            if character in "│┌┐├┤┬┼":
                assert grid[row + 1][column] in "│└┘├┤┴┼"
            if character in "│└┘├┤┴┼":
                assert grid[row - 1][column] in "│┌┐├┤┬┼"
