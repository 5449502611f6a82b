"""Views as HDF5's groups, datasets and attributes."""

from typing import Any

import numpy as np

from penstock.views import ArrayView, Axis
from penstock.web.hdf5_tree import Dataset, Group, group_of, id_of, nodes


def view(*axes: str | Axis, shape: tuple[int, ...] = (2, 3), **options: Any) -> ArrayView:
    return ArrayView(shape, axes=axes, **options)


def paths(group: Group) -> list[str]:
    return [node.path for node in nodes(group)]


def test_a_view_with_axes_is_a_signal_and_its_axes_lie_beside_it() -> None:
    y = Axis("y", "µm", np.arange(2.0))
    group = group_of({"n": 3, "map": view(y, "x", unit="counts", title="Iron"), "other": view(y, "x")}, "/fit")
    assert paths(group) == ["/fit", "/fit/n", "/fit/map", "/fit/other", "/fit/y"]
    assert group.attributes == {"NX_class": "NXdata", "signal": "map", "axes": ["y", "."]}
    shown = group.links["map"]
    assert shown.attributes == {
        "units": "counts", "long_name": "Iron", "axes": ["y", "x"], "DIMENSION_LABELS": ["y", "x"],
    }  # fmt: skip
    assert group.links["y"].attributes == {"units": "µm"}


def test_an_axis_gives_way_to_what_has_its_name() -> None:
    one, two = Axis("y", "", np.arange(2.0)), Axis("y", "", np.arange(2.0) + 5)
    for taken in (1, np.zeros(2, [("a", "f8")]), np.arange(2), {"deep": 1}):
        group = group_of({"y": taken, "a": view(one, "x"), "b": view(two, "x"), "c": view(one, "x")}, "/fit")
        assert list(group.links) == ["y", "a", "b", "c", "a_y", "b_y", "c_y"]
        assert group.attributes["axes"] == ["a_y", "."]


def test_what_leads_to_a_plot_is_named_down_to_it() -> None:
    tree = {"n": 1, "list": [1, 2], "sub": {"empty": {}, "deep": {"map": view("y", "x")}}}
    group = group_of(tree, "/fit", nx_class="NXentry")
    assert group.attributes == {"NX_class": "NXentry", "default": "sub"}
    sub = group.links["sub"]
    assert sub.attributes == {"NX_class": "NXcollection", "default": "deep"}
    assert group_of({"n": 1, "list": [1, 2]}, "/fit").attributes == {"NX_class": "NXdata", "signal": "list"}
    assert group_of({"n": 1, "note": "a"}, "/fit", nx_class="NXentry").attributes == {"NX_class": "NXentry"}


def test_attributes_in_the_tree_take_the_place_of_those_that_were_made() -> None:
    tree = {
        "_attrs": {"NX_class": "NXlog"}, "map": view("y", "x", unit="V"), "map_attrs": {"units": "counts", "gain": 3},
        "sub": {"_attrs": {"a": 1, "b": 1}, "values": [1.0]}, "sub_attrs": {"b": 2},
        "lonely_attrs": {"value": 5}, "number_attrs": 7, "number": 1,
    }  # fmt: skip
    group = group_of(tree, "/fit", given={"position": 4})
    assert group.attributes == {"NX_class": "NXlog", "position": 4}
    assert list(group.links) == ["map", "sub", "lonely_attrs", "number_attrs", "number"]
    assert group.links["map"].attributes["units"] == "counts"
    assert group.links["map"].attributes["gain"] == 3
    sub = group.links["sub"].attributes
    assert (sub["a"], sub["b"], sub["signal"]) == (1, 2, "values")


def test_what_hdf5_has_nothing_for_is_left_out() -> None:
    tree = {
        "none": None,
        "ragged": [[1], [1, 2]],
        "huge": 10**30,
        "long": np.longdouble(1),
        "raw": np.void(b"ab"),
        "n": 1,
    }
    assert paths(group_of(tree, "/fit")) == ["/fit", "/fit/n"]


def test_times_say_since_when() -> None:
    group = group_of({"at": np.array(["2026-01-01"], "M8[s]")}, "/fit")
    assert group.links["at"].attributes == {"units": "ns since 1970-01-01T00:00:00 UTC"}


def test_arrays_are_not_copied() -> None:
    image = view("y", "x")
    shown = group_of({"image": image}, "/fit").links["image"]
    assert isinstance(shown, Dataset)
    assert np.shares_memory(shown.array, image.array)


def test_an_identifier_is_of_the_path_alone() -> None:
    one, other = (group_of({"a": value, "b": {"a": 1}}, "/fit") for value in (1, view()))
    assert [node.id for node in nodes(one)] == [node.id for node in nodes(other)]
    assert len({node.id for node in nodes(one)}) == 4
    assert id_of("/a", is_group=True)[2:] == id_of("/a", is_group=False)[2:]
