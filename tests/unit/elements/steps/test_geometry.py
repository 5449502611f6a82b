"""Images corrected by where their pixels lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.detector_geometry import DetectorGeometry
from penstock.core.message import Message
from penstock.elements.signature import parameters_of
from penstock.elements.steps.geometry import Geometry
from tests.unit.formats.test_poni import FIRST

CENTRED: dict[str, Any] = {"distance_m": 0.1, "centre_px": (1.5, 1.5), "pixel_m": 0.05}
IMAGE = np.full((3, 3), 6, np.uint16)


def test_it_is_divided_by_what_pixels_see() -> None:
    ours = DetectorGeometry.of_centre(distance_m=0.1, centre_px=(1.5, 1.5), pixel_m=0.05)
    found = Geometry(**CENTRED)(Message(array=IMAGE))
    assert found.array.dtype == np.float32
    np.testing.assert_allclose(found.array, 6 / ours.solid_angle((3, 3)), rtol=1e-6)
    assert found.array[1, 1] == 6
    found = Geometry("image", **CENTRED, polarization=0.9)({"image": np.stack([IMAGE, IMAGE]).astype(float)})["image"]
    seen = ours.solid_angle((3, 3)) * ours.polarization((3, 3), 0.9)
    np.testing.assert_allclose(found, [6 / seen] * 2)
    assert Geometry(**CENTRED, solid_angle=False)(IMAGE).tolist() == IMAGE.tolist()


def test_another_geometry_holds_from_the_next_image_on(tmp_path: Path) -> None:
    step = Geometry(**CENTRED)
    before = step(IMAGE)
    step.distance_m = 0.2
    assert not np.array_equal(before, step(IMAGE))
    (tmp_path / "a.poni").write_text(FIRST)
    step.poni = tmp_path / "a.poni"
    assert step.geometry.rotations_rad == (0.1, 0.2, -0.3)
    np.testing.assert_allclose(step(IMAGE), 6 / step.geometry.solid_angle((3, 3)), rtol=1e-6)
    assert step(IMAGE[:2]).shape == (2, 3), "an image of another shape"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"geometry needs one; write poni: FILE, or distance_m"):
        Geometry(distance_m=0.1)
    (tmp_path / "b.poni").write_text("Distance: 0.1")
    with pytest.raises(ValueError, match=r"b\.poni: it says no Poni1"):
        Geometry(poni=tmp_path / "b.poni")(IMAGE)
    with pytest.raises(ValueError, match=r"of shape \[3\]; geometry is of images"):
        Geometry(**CENTRED)(IMAGE[0])


def test_its_parameters_have_units_and_bounds() -> None:
    found = {parameter.name: parameter for parameter in parameters_of(Geometry)}
    assert list(found) == ["poni", "distance_m", "centre_px", "pixel_m", "solid_angle", "polarization"]
    assert (found["distance_m"].unit, found["centre_px"].unit) == ("m", "px")
