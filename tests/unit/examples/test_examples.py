"""The examples' user code, by hand: its doctests, and the NanoMAX map from what the instruments really sent."""

import doctest
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from penstock.core.decoder import Decoder
from penstock.core.event import event_type
from penstock.core.message import Kind, Message
from penstock.elements.user_code import Reducer, Worker, problems_of
from penstock.formats.recording import RecordingReader
from penstock.protocols.contrast import ContrastDecoder
from penstock.protocols.stins import StinsDecoder
from penstock.protocols.xspress3 import Xspress3Decoder
from penstock.testing import make_event

EXAMPLES = Path(__file__).parents[3] / "examples"


def loaded(path: str) -> ModuleType:
    # Not the name that a pipeline imports it by: doctest would look for its classes in that module.
    name = path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def decoded(file: Path, decoder: Decoder) -> list[Message]:
    records = RecordingReader().feed(file.read_bytes())
    return [message for record in records for message in decoder.feed(record.parts, 0)]


@pytest.mark.parametrize(
    "path",
    [
        "first/spot.py",
        "nanomax/fluorescence.py",
        "telescope/packet.py",
        "sorted/transmission.py",
        "sorted/by_position.py",
        "drift/align.py",
        "sparse/sparsify.py",
        "slices/stack.py",
        "slices/slices.py",
        "chamber/flux.py",
        "chamber/watch.py",
        "traces/pulse.py",
        "ptycho/contrast.py",
        "ptycho/scan_map.py",
        "tomography/project.py",
        "azimuthal/integrate.py",
    ],
)
def test_their_docstrings(path: str) -> None:
    failed, tried = doctest.testmod(loaded(path))
    assert (failed, tried > 0) == (0, True)


def test_the_map_of_the_real_scan(recordings: Path) -> None:
    module = loaded("nanomax/fluorescence.py")
    points = decoded(recordings / "contrast-dump.cbors", ContrastDecoder())
    spectra = decoded(recordings / "xspress3-dump.cbors", Xspress3Decoder())
    assert len(points) == len(spectra) == 22
    make = event_type(("contrast", "xspress3"))
    worker, reducer = Worker(module.count_photons), Reducer(module.FluorescenceMap)
    assert reducer.hooks.start is not None
    reducer.hooks.start(make(0, (points[0], spectra[0]), Kind.START))
    for number in range(20):
        reducer.call(worker.call(make(number, (points[number + 1], spectra[number + 1]))))
    views = reducer.views
    assert views["total"]["counts"].array.tolist() == [5, 7, 3, 32]
    counts = views["map"]["counts"].array
    assert counts.shape == (5, 4, 4)
    assert np.nansum(counts, axis=(0, 1)).tolist() == [5, 7, 3, 32]
    assert not np.isnan(counts).any()
    x, y = np.meshgrid(np.linspace(-2, 2, 4), np.linspace(-2, 2, 5))
    assert np.abs(views["map"]["measured_x"].array - x).max() < 0.005
    assert np.abs(views["map"]["measured_y"].array - y).max() < 0.005
    # y is the fast axis: the second point lies above the first.
    assert views["map"]["measured_y"].array[1, 0] == points[2].metadata["pseudo"]["y"][0]


def test_a_point_lost_does_not_shift_the_others() -> None:
    module = loaded("nanomax/fluorescence.py")
    reducer = Reducer(module.FluorescenceMap, {"channels": 1})
    assert reducer.hooks.start is not None
    reducer.hooks.start(make_event(contrast={"description": "mesh sx 0 1 1 sy 0 2 2 0.1"}))
    reducer.call({"x": 1.01, "y": 1.98, "counts": np.array([3])})
    counts = reducer.views["map"]["counts"].array[:, :, 0]
    assert counts[2, 1] == 3
    assert np.isnan(counts).sum() == 5


def test_another_scan_is_refused() -> None:
    reducer = Reducer(loaded("nanomax/fluorescence.py").FluorescenceMap)
    assert reducer.hooks.start is not None
    with pytest.raises(ValueError, match=r'"ascan sx 0 1 10 0\.1" is no mesh of x and y'):
        reducer.hooks.start(make_event(contrast={"description": "ascan sx 0 1 10 0.1"}))


def test_an_event_without_its_spectrum_gives_no_result() -> None:
    module = loaded("nanomax/fluorescence.py")
    assert module.count_photons(make_event(contrast={"pseudo": {}}, xspress3=None)) is None


def test_the_trigger_map_has_the_scans_events() -> None:
    parts = json.loads((EXAMPLES / "nanomax/map.json").read_text())["parts"]
    assert {stream: len(cells) for stream, cells in parts["mesh"].items()} == {"contrast": 20, "xspress3": 20}


def test_the_first_pipelines_camera_and_code_fit() -> None:
    images = [
        message for message in decoded(EXAMPLES / "first/camera.cbors", StinsDecoder()) if message.kind is Kind.DATA
    ]
    module = loaded("first/spot.py")
    reducer = Reducer(module.Spot, {"shape": [24, 32]})
    worker = Worker(module.brightness, {"above": 1})
    for image in images:
        reducer.call(worker.call(image))
    assert len(images) == len(reducer.views["brightness"]) == 40
    assert reducer.views["sum"].array.sum() == reducer.views["brightness"].array.sum()


def test_check_finds_nothing_to_say_of_them() -> None:
    nanomax, first = loaded("nanomax/fluorescence.py"), loaded("first/spot.py")
    assert problems_of("map", nanomax.count_photons, {}, {"roi_start_keV": 5.9}, receives="event") == []
    assert problems_of("reduce", nanomax.FluorescenceMap, receives="result") == []
    assert problems_of("map", first.brightness, {"above": 1}, receives="message") == []
    assert problems_of("reduce", first.Spot, {"shape": [1, 2]}, receives="result") == []
