"""Pictures: what gets a panel, what is missing, and when there is nothing to draw."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.elements.picture import MOST_PANELS, draw, panels_of
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.png import PngSink
from penstock.errors import MissingExtraError, SinkError
from penstock.views import ArrayView, Axis

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def run(tmp_path: Path) -> RunFacts:
    return RunFacts(pipeline="xrf", run="r1", version="0.1", folder=str(tmp_path))


def map_view() -> ArrayView:
    axes = (Axis("y", "mm", np.arange(3.0)), Axis("x", "mm", np.arange(4.0)))
    view = ArrayView((3, 4), unit="counts", axes=axes, fill=np.nan, title="iron")
    view.set((slice(0, 2), slice(None)), 1)
    return view


def parts(figure: Any) -> tuple[Any, Any]:
    """Return the axes of the only map, and its colour bar."""
    (axes,) = figure.axes
    (bar,) = axes.child_axes
    return axes, bar


def test_which_views_have_panels() -> None:
    tree = {
        "map": map_view(),
        "curve": [1, 2],
        "stack": np.zeros((2, 3, 2)),
        "n": 3,
        "t": "text",
        "big": np.zeros((1,) * 4),
    }
    assert [panel.title for panel in panels_of(tree)] == ["iron", "curve", "stack, channel 0", "stack, channel 1"]


def test_channels_have_names() -> None:
    axis = Axis("energy", "keV", np.array([6.4, 7.5]))
    view = ArrayView((2, 2, 2), axes=("y", "x", axis))
    assert [panel.title for panel in panels_of({"v": view})] == ["v, energy 6.4 keV", "v, energy 7.5 keV"]


def test_a_map_has_axes_units_colour_bar_and_counts_what_is_missing() -> None:
    figure = draw(list(panels_of({"map": map_view()})), "heading")
    axes, bar = parts(figure)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("x (mm)", "y (mm)", "iron (4 missing)")
    assert bar.get_ylabel() == "counts"
    (image,) = axes.get_images()
    assert image.get_extent() == [-0.5, 3.5, -0.5, 2.5]
    assert image.get_array().mask.sum() == 4
    assert image.origin == "lower"


def test_unequal_steps_are_drawn_as_they_are() -> None:
    view = ArrayView((2, 3), axes=("y", Axis("x", values=np.array([0.0, 1.0, 5.0]))))
    axes, _bar = parts(draw(list(panels_of({"v": view}))))
    assert not axes.get_images()
    assert len(axes.collections) == 1


SPOT = np.where(np.arange(64) == 27, 500.0, np.arange(64) % 3).reshape(8, 8)


@pytest.mark.parametrize(
    ("values", "is_logarithmic"),
    [
        (SPOT, True),
        (np.minimum(SPOT, 90), False),
        (SPOT - 1, False),
        (np.where(SPOT > 100, 500, 0), False),
        (SPOT * 0, False),
    ],
    ids=["peaked", "flatter", "negative", "mostly nothing", "nothing"],
)
def test_a_few_bright_spots_leave_the_rest_visible(values: Any, is_logarithmic: bool) -> None:
    view = ArrayView((8, 8), unit="counts")
    view.set(..., np.where(np.arange(64).reshape(8, 8) == 5, np.nan, values))
    axes, bar = parts(draw(list(panels_of({"v": view}))))
    (image,) = axes.get_images()
    assert bar.get_ylabel() == ("counts (logarithmic)" if is_logarithmic else "counts")
    dim, bright = (float(image.norm(value)) for value in (1, 2))
    assert not is_logarithmic or bright - dim > 0.1
    colours = image.cmap(image.norm(image.get_array()))
    assert tuple(colours[0, 5]) == tuple(image.cmap.get_bad())


@pytest.mark.parametrize(("panels", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (4, 2, 2), (7, 3, 3)])
def test_few_panels_stand_side_by_side(panels: int, rows: int, columns: int) -> None:
    figure = draw(list(panels_of({str(k): [1, 2] for k in range(panels)})))
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)


def test_a_colour_bar_is_as_high_as_its_map() -> None:
    view = ArrayView((3, 9), axes=(Axis("y", "mm"), Axis("x", "mm")))
    figure = draw(list(panels_of({"v": view})))
    figure.draw_without_rendering()
    axes, bar = parts(figure)
    box, beside = axes.get_window_extent(), bar.get_window_extent()
    assert (beside.y0, beside.y1) == pytest.approx((box.y0, box.y1))


@pytest.mark.parametrize(
    "values",
    [np.zeros((0, 3)), np.zeros(0), np.full((2, 2), np.nan), np.array([[np.inf, 1], [2, 3]]), np.zeros((1, 1))],
)
def test_what_is_hardly_there_is_drawn(values: Any, run: RunFacts) -> None:
    sink = PngSink()
    sink.open(run)
    sink.write({"v": values})
    sink.close(True)
    assert Path(sink.path).read_bytes().startswith(b"\x89PNG")


def test_too_many_panels_are_said() -> None:
    figure = draw(list(panels_of({"v": np.zeros((2, 2, MOST_PANELS + 5))})), "h")
    assert figure.get_suptitle() == f"h (the first {MOST_PANELS} of {MOST_PANELS + 5} panels)"


def test_only_the_views_asked_for(run: RunFacts) -> None:
    sink = PngSink(views=["a/b"])
    sink.open(run)
    with pytest.raises(SinkError, match='no view "a/b"; there are a/c'):
        sink.write({"a": {"c": [1, 2]}})
    sink.write({"a": {"b": [1, 2], "t": "text"}})
    sink.close(True)
    assert [path.name for path in Path(run.folder).iterdir()] == ["r1.png"]


@pytest.mark.parametrize("item", [3, {"n": 3, "t": "text"}])
def test_nothing_to_draw(item: Any, run: RunFacts) -> None:
    sink = PngSink()
    sink.open(run)
    with pytest.raises(SinkError, match=r"no tree of views|nothing to draw"):
        sink.write(item)
    sink.close(False)
    assert list(Path(run.folder).iterdir()) == []


def test_a_run_without_views_has_no_picture(run: RunFacts) -> None:
    sink = PngSink(views=["map/counts"])
    sink.open(run)
    sink.write({})
    sink.close(False)
    assert list(Path(run.folder).iterdir()) == []


def test_a_run_that_did_not_end_well_says_so(run: RunFacts) -> None:
    sink = PngSink()
    sink.open(run)
    sink.write({"v": [1, 2]})
    before = Path(sink.path).read_bytes()
    sink.close(False, "aborted")
    assert b"aborted" in Path(sink.path).read_bytes()
    assert b"aborted" not in before


def test_without_matplotlib(run: RunFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "penstock\[png\]"'):
        PngSink().open(run)
    with pytest.raises(MissingExtraError, match=r'pip install "penstock\[png\]"'):
        draw(list(panels_of({"v": [1, 2]})))
    assert list(Path(run.folder).iterdir()) == []
