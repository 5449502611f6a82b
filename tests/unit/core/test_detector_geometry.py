"""Where pixels lie: held against angles between vectors, and against pyFAI where that is installed."""

from math import pi
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.detector_geometry import DetectorGeometry
from penstock.core.module_geometry import ModuleGeometry

SHAPE = (5, 7)
angles = st.floats(-0.5, 0.5)
lengths = st.floats(0.01, 1.0)


def made(distance: float, y: float, x: float, rotations: Any, orientation: int = 3) -> DetectorGeometry:
    return DetectorGeometry(
        distance_m=distance, poni_m=(y, x), pixel_m=(2e-3, 1e-3), rotations_rad=rotations, wavelength_m=1e-10,
        orientation=orientation,
    )  # fmt: skip


@given(lengths, st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.tuples(angles, angles, angles))
def test_rotations_turn_and_stretch_nothing(distance: float, y: float, x: float, rotations: Any) -> None:
    straight, turned = made(distance, y, x, (0.0, 0.0, 0.0)), made(distance, y, x, rotations)
    one, other = straight.positions(SHAPE), turned.positions(SHAPE)
    np.testing.assert_allclose(np.linalg.norm(one, axis=-1), np.linalg.norm(other, axis=-1), rtol=1e-9)
    np.testing.assert_allclose(straight.solid_angle(SHAPE), turned.solid_angle(SHAPE), rtol=1e-9)
    pitch = np.linalg.norm(np.diff(other, axis=0), axis=-1), np.linalg.norm(np.diff(other, axis=1), axis=-1)
    np.testing.assert_allclose(pitch[0], 2e-3, rtol=1e-6)
    np.testing.assert_allclose(pitch[1], 1e-3, rtol=1e-6)
    cosine = other[..., 2] / np.linalg.norm(other, axis=-1)
    np.testing.assert_allclose(np.cos(turned.two_theta(SHAPE)), cosine, atol=1e-9)
    q = 4 * pi * 10 * np.sin(np.arccos(np.clip(cosine, -1, 1)) / 2)
    np.testing.assert_allclose(turned.q(SHAPE), q, atol=1e-5)


@given(st.floats(-1, 1))
def test_polarization_is_what_a_dipole_scatters(factor: float) -> None:
    geometry = made(0.01, 0.005, 0.0035, (0.0, 0.0, 0.0))
    at = geometry.positions(SHAPE)
    towards = at / np.linalg.norm(at, axis=-1)[..., None]
    vertical, horizontal = 1 - towards[..., 0] ** 2, 1 - towards[..., 1] ** 2
    expected = (1 + factor) / 2 * horizontal + (1 - factor) / 2 * vertical
    np.testing.assert_allclose(geometry.polarization(SHAPE, factor), expected, rtol=1e-9)


def test_pixels_of_modules_are_those_of_an_image() -> None:
    geometry = made(0.1, 0.004, 0.002, (0.1, -0.2, 0.3))
    modules = ModuleGeometry.of((2, 7), {"a": [0, 0], "b": {"corner": [4, 6], "slow": "-y", "fast": "-x"}})
    whole, parts = geometry.q(SHAPE), geometry.q(modules.positions())
    np.testing.assert_allclose(parts[0], whole[:2])
    np.testing.assert_allclose(parts[1], whole[3:][::-1, ::-1])
    with pytest.raises(ValueError, match="known for orientation 3 only, and this is 2"):
        made(0.1, 0, 0, (0.0, 0.0, 0.0), 2).q(modules.positions())


def test_orientations_count_from_other_corners() -> None:
    found = {n: made(0.1, 0.004, 0.002, (0.1, -0.2, 0.3), n).positions(SHAPE) for n in (1, 2, 3, 4)}
    assert np.array_equal(found[1], found[3][::-1, ::-1])
    assert np.array_equal(found[2], found[3][::-1])
    assert np.array_equal(found[4], found[3][:, ::-1])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"distance_m": 0.0}, "the distance is 0.0 m; it must be above 0"),
        ({"pixel_m": (1e-3, 0.0)}, r"pixels are \[0.001, 0.0\] m"),
        ({"wavelength_m": -1.0}, "the wavelength is -1.0 m"),
        ({"orientation": 5}, "the orientation is 5; it must be 1, 2, 3 or 4"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {"distance_m": 1.0, "poni_m": (0, 0), "pixel_m": (1e-3, 1e-3)} | wrong
    with pytest.raises(ValueError, match=text):
        DetectorGeometry(**given)


def test_without_a_wavelength_there_is_no_q() -> None:
    with pytest.raises(ValueError, match="this geometry has no wavelength"):
        DetectorGeometry.of_centre(distance_m=1.0, centre_px=(0, 0), pixel_m=1e-3).q(SHAPE)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_it_is_pyfai_s_geometry(orientation: int) -> None:
    integrator = pytest.importorskip("pyFAI.integrator.azimuthal", reason="pyFAI is not installed")
    detectors = pytest.importorskip("pyFAI.detectors")
    detector = detectors.Detector(2e-3, 1e-3, max_shape=SHAPE, orientation=orientation)
    theirs = integrator.AzimuthalIntegrator(0.1, 0.004, 0.002, 0.1, -0.2, 0.3, detector=detector, wavelength=1e-10)
    ours = made(0.1, 0.004, 0.002, (0.1, -0.2, 0.3), orientation)
    np.testing.assert_allclose(ours.two_theta(SHAPE), theirs.twoThetaArray(SHAPE), atol=1e-9)
    np.testing.assert_allclose(ours.q(SHAPE), theirs.qArray(SHAPE), atol=1e-6)
    np.testing.assert_allclose(np.cos(ours.azimuth(SHAPE)), np.cos(theirs.chiArray(SHAPE)), atol=1e-6)
    np.testing.assert_allclose(ours.solid_angle(SHAPE), theirs.solidAngleArray(SHAPE, absolute=False), rtol=1e-5)
    np.testing.assert_allclose(ours.polarization(SHAPE, 0.9), theirs.polarization(SHAPE, 0.9), rtol=1e-5)
