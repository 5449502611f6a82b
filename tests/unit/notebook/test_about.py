"""In what form a view is shown, and which elements of it are asked for."""

from penstock.notebook.about import About, AxisAbout, Kind, about_of, axis_view, kind_of, slice_of

COUNTED = (AxisAbout("height", "mm"),)
NAMED = (AxisAbout("row"), AxisAbout("of", "", ["low", "high"]))


def test_the_form_follows_from_shape_type_and_axes() -> None:
    assert [
        kind_of(about)
        for about in (
            About("a/v", (), "<f8"),
            About("a/v", (), "<U9"),
            About("a/v", (7,), "<f8"),
            About("a/v", (7,), "<i8", axes=COUNTED),
            About("a/v", (7,), "<i8", axes=COUNTED, grows=True),
            About("a/v", (7000,), "<i8", axes=COUNTED),
            About("a/v", (7, 2), "<f8"),
            About("a/v", (7, 2), "<f8", axes=NAMED),
            About("a/v", (7, 2, 3), "|u1"),
            About("a/v", (7,), "<U9"),
            About("a/v", (7,), "<c16"),
        )
    ] == ["value", "text", "curve", "histogram", "curve", "curve", "image", "table", "stack", "table", "table"]


def test_of_a_stack_one_frame_is_asked_for_and_of_a_table_the_last_rows() -> None:
    frames = About("a/v", (3, 2, 9, 9), "<f8")
    assert slice_of(frames, Kind.STACK) == "-1,-1,..."
    assert slice_of(About("a/v", (3, 9, 9), "<f8"), Kind.STACK, 2) == "2,..."
    assert slice_of(About("a/v", (0, 2), "<f8", axes=NAMED), Kind.TABLE) == "-20:"
    assert slice_of(About("a/v", (9,), "<f8"), Kind.CURVE) == ""


def test_a_view_beside_it_says_where_values_are_unless_the_axis_does() -> None:
    names = ["a/curve", "a/time", "b/energy"]
    assert axis_view(About("a/curve", (3,), "<f8", axes=(AxisAbout("time"),)), names) == "a/time"
    assert axis_view(About("a/time", (3,), "<f8", axes=(AxisAbout("time"),)), names) is None
    assert axis_view(About("a/curve", (3,), "<f8", axes=(AxisAbout("energy"),)), names) is None
    assert axis_view(About("a/curve", (3,), "<f8", axes=(AxisAbout("time", "s", [1, 2, 3]),)), names) is None


def test_what_an_answer_says_more_is_no_trouble() -> None:
    said = {"name": "a/v", "shape": [2], "dtype": "<f8", "axes": [{"name": "x", "unit": "mm"}], "new": 1}
    assert about_of(said).axis(-1).unit == "mm"
