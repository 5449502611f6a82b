"""Read PONI files, in which calibrations of a detector's geometry are kept: lines of ``key: value``.

Source of facts: pyFAI's page on the file format, versions 1 to 2.1. A file to which calibrations were appended says
what its last one says.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from penstock.core.detector_geometry import DetectorGeometry

__all__ = ["read_poni"]

_SIDES_M: Final[Mapping[str, float]] = {
    "eiger": 75e-6,
    "jungfrau": 75e-6,
    "pilatus": 172e-6,
}
"""Side of the square pixels of detectors that files name without saying it, by the beginning of the name."""


def read_poni(text: str) -> DetectorGeometry:
    r"""Return the geometry that a file's text says.

    Raises
    ------
    ValueError
        If something is missing, or no number, or the detector is none whose pixels are known.

    Examples
    --------
    >>> read_poni("Detector: Eiger4M\nDistance: 0.2\nPoni1: 0.08\nPoni2: 0.07\nWavelength: 1e-10").pixel_m
    (7.5e-05, 7.5e-05)
    """
    said = dict(_pairs(text))
    if "distance" not in said:
        raise ValueError("it says no Distance; write a PONI file, as pyFAI saves it")
    config = _config(said.get("detector_config", "{}"))
    return DetectorGeometry(
        distance_m=_number(said, "distance"),
        poni_m=(_number(said, "poni1"), _number(said, "poni2")),
        pixel_m=_sides(said, config),
        rotations_rad=(_number(said, "rot1", 0.0), _number(said, "rot2", 0.0), _number(said, "rot3", 0.0)),
        wavelength_m=_number(said, "wavelength") if said.get("wavelength", "None") != "None" else None,
        orientation=int(config.get("orientation") or 3),
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    lines = [line.strip() for line in text.splitlines() if ":" in line and not line.lstrip().startswith("#")]
    return [(key.strip().lower(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]


def _config(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"its Detector_config is {text!r}, which is no JSON: {error}") from error
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"its Detector_config is {text!r}; write a mapping")
    return found or {}


def _sides(said: Mapping[str, str], config: Mapping[str, Any]) -> tuple[float, float]:
    if "pixel1" in config and "pixel2" in config:
        return _number(config, "pixel1"), _number(config, "pixel2")
    if "pixelsize1" in said and "pixelsize2" in said:
        return _number(said, "pixelsize1"), _number(said, "pixelsize2")
    name = said.get("detector", "")
    side = next((side for start, side in _SIDES_M.items() if name.lower().startswith(start)), None)
    if side is None:
        known = ", ".join(start.capitalize() for start in _SIDES_M)
        raise ValueError(
            f'it names the detector "{name}" without the size of its pixels, which is known of {known}; '
            'write Detector: Detector, and Detector_config: {"pixel1": …, "pixel2": …} in metres'
        )
    return side, side


def _number(said: Mapping[str, Any], key: str, default: float | None = None) -> float:
    if key not in said and default is not None:
        return default
    try:
        return float(said[key])
    except KeyError:
        raise ValueError(f"it says no {key.capitalize()}") from None
    except (TypeError, ValueError):
        raise ValueError(f"its {key.capitalize()} is {said[key]!r}, not a number") from None
