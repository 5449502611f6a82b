"""PONI files of all versions, and what is wrong with some."""

import pytest

from penstock.formats.poni import read_poni

FIRST = """# Nota: C-Order, 1 refers to the Y axis, 2 to the X axis
PixelSize1: 0.0001
PixelSize2: 0.0002
Distance: 0.1
Poni1: 0.01
Poni2: 0.02
Rot1: 0.1
Rot2: 0.2
Rot3: -0.3
Wavelength: 1e-10
"""
SECOND = """# Calibration done at Mon Nov 02 10:00:00 2026
poni_version: 2.1
Detector: Detector
Detector_config: {"pixel1": 0.0001, "pixel2": 0.0002, "max_shape": [2, 3], "orientation": 2}
Distance: 0.1
Poni1: 0.01
Poni2: 0.02
Wavelength: None
"""


def test_both_versions_are_read() -> None:
    found = read_poni(FIRST)
    assert (found.distance_m, found.poni_m, found.pixel_m) == (0.1, (0.01, 0.02), (1e-4, 2e-4))
    assert (found.rotations_rad, found.wavelength_m, found.orientation) == ((0.1, 0.2, -0.3), 1e-10, 3)
    found = read_poni(SECOND)
    assert (found.pixel_m, found.wavelength_m, found.orientation) == ((1e-4, 2e-4), None, 2)


def test_the_last_calibration_in_a_file_counts() -> None:
    assert read_poni(FIRST + FIRST.replace("Distance: 0.1", "Distance: 0.25")).distance_m == 0.25


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("Distance: 0.1\n", "", "it says no Distance; write a PONI file"),
        ("Poni1: 0.01\n", "", "it says no Poni1"),
        ("Poni1: 0.01", "Poni1: far", "its Poni1 is 'far', not a number"),
        ('{"pixel1": 0.0001', '{"pixel1: 0.0001', "which is no JSON"),
        ('"pixel1": 0.0001, ', "", 'the detector "Detector" without the size of its pixels, which is known of Eiger'),
        ("Distance: 0.1", "Distance: -1", "the distance is -1.0 m"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, text: str) -> None:
    assert old in SECOND
    with pytest.raises(ValueError, match=text):
        read_poni(SECOND.replace(old, new))
