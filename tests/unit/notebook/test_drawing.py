"""What is drawn of a view: the elements where the axes say, whatever they are and however often they change."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from penstock.notebook.about import About, AxisAbout, kind_of
from penstock.notebook.drawing import Drawing
from penstock.notebook.inbox import Part

X = AxisAbout("x", "mm", [float(k) for k in range(9)])


def part(array: NDArray[Any], every: int = 1, fewer: str = "mean") -> Part:
    return Part(view="a/v", slice="", array=array, version=1, position=1, every=every, fewer=fewer)


def drawn(about: About, *parts: Part) -> Any:
    """The axes of a figure that has shown these one after the other."""
    drawing = Drawing(about, kind_of(about))
    for each in parts:
        drawing.show(each)
        assert drawing.png()[:4] == b"\x89PNG"
    return drawing.figure.axes[0]


def test_an_image_has_its_edges_half_a_step_outside_and_follows_the_data() -> None:
    about = About("a/v", (3, 9), "<f8", "counts", axes=(AxisAbout("y", "mm", [0.0, 2.0, 4.0]), X))
    axes = drawn(about, part(np.zeros((3, 9))), part(np.arange(27.0).reshape(3, 9)))
    (image,) = axes.images
    assert image.get_extent() == [-0.5, 8.5, -1, 5]
    assert np.array_equal(image.get_array(), np.arange(27.0).reshape(3, 9))
    assert image.get_clim() == (0, 26)


def test_no_label_is_cut_off_however_long_numbers_become() -> None:
    about = About("a/v", (24, 32), "<f8", "images", axes=(AxisAbout("y", "px"), AxisAbout("x", "px")))
    drawing = Drawing(about, kind_of(about))
    for largest in (1, 1863, 10_000_000, 3):
        drawing.show(part(np.pad([[float(largest)]], ((5, 18), (5, 26)))))
        with Image.open(io.BytesIO(drawing.png())) as picture:
            pixels = np.asarray(picture)[..., :3]
        border = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        assert all((each == 255).all() for each in border), largest


def test_blocks_of_elements_lie_in_their_middle() -> None:
    about = About("a/v", (9,), "<f8", axes=(X,))
    blocks, picks = np.array([1.0, 4.0, 7.0]), np.array([0.0, 3.0, 6.0])
    assert np.array_equal(drawn(about, part(blocks, 3)).lines[0].get_xdata(), blocks)
    assert np.array_equal(drawn(about, part(picks, 3, "every")).lines[0].get_xdata(), picks)
    image = About("a/v", (9, 9), "<f8", axes=(AxisAbout("y"), X))
    (painted,) = drawn(image, part(np.ones((3, 3)), 3)).images
    assert painted.get_extent() == [-0.5, 8.5, -0.5, 8.5]


def test_bright_spots_make_colours_logarithmic_and_back() -> None:
    about = About("a/v", (9, 9), "<f8", "counts")
    spots = np.ones((9, 9))
    spots[4, 4] = 5000
    (image,) = drawn(about, part(spots)).images
    assert type(image.norm).__name__ == "LogNorm"
    (image,) = drawn(about, part(spots), part(np.ones((9, 9)))).images
    assert type(image.norm).__name__ == "Normalize"


@pytest.mark.parametrize(
    "about",
    [
        About(
            "a/v", (4, 5), "<f8", axes=(AxisAbout("element", "", list("abcd")), AxisAbout("x", "", [1, 2, 4, 8, 16]))
        ),
        About("a/v", (4, 5), "<f8"),
        About("a/v", (5,), "<i8", axes=(AxisAbout("element", "", list("abcde")),)),
        About("a/v", (5,), "<f8", axes=(AxisAbout("element", "", list("abcde")),)),
        About("a/v", (5,), "<f8", axes=(AxisAbout("t", "", [3, 3, 3, 3, 3]),)),
        About("a/v", (0,), "<f8", grows=True),
        About("a/v", (5,), "|b1"),
    ],
    ids=lambda about: f"{about.shape} {about.dtype} {[axis.name for axis in about.axes]}",
)
@pytest.mark.filterwarnings("error")
def test_whatever_there_is_can_be_drawn(about: About) -> None:
    size = int(np.prod(about.shape))
    empty = np.full(about.shape, np.nan) if about.dtype == "<f8" else np.zeros(about.shape)
    axes = drawn(about, part(empty), part(np.arange(size).reshape(about.shape)))
    assert axes.get_title() == "a/v"


def test_values_of_another_view_are_where_the_curve_is() -> None:
    about = About("a/v", (3,), "<f8", grows=True, axes=(AxisAbout("time", "s"),))
    drawing = Drawing(about, kind_of(about))
    drawing.show(part(np.array([5.0, 6.0, 7.0])), np.array([0.5, 1.0, 2.0, 3.0]))
    (line,) = drawing.figure.axes[0].lines
    assert np.asarray(line.get_xydata()).tolist() == [[0.5, 5], [1, 6], [2, 7]]
    assert drawing.figure.axes[0].get_xlabel() == "time (s)"
