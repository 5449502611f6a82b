"""Tests of the analysis: by hand on made-up images, and in the whole pipeline on those of the made-up camera."""

from pathlib import Path

import h5py
import numpy as np

from penstock import Pipeline
from penstock.testing import make_message

from analysis import Beam, measure
from detector import Camera


def test_the_beam_is_measured_above_the_threshold():
    image = np.full((4, 6), 3)
    image[1, 2:4] = 50
    assert measure(make_message(image), threshold=3) == {"counts": 100, "y": 1, "x": 2.5}


def test_an_image_without_beam_gives_no_result():
    assert measure(make_message(np.full((4, 6), 3)), threshold=3) is None


def test_the_results_are_gathered():
    beam = Beam(shape=[4, 6])
    beam.reduce({"counts": 100, "y": 1, "x": 2.4})
    beam.reduce({"counts": 80, "y": 1, "x": 1.8})
    assert beam.counts.array.tolist() == [100, 80]
    assert beam.center.array.tolist() == [[1, 2.4], [1, 1.8]]
    assert beam.track.array[1, 2] == beam.track.array.sum() == 2


def test_the_pipeline_finds_the_beam_where_it_is(tmp_path):
    pipeline = Pipeline.load(Path(__file__).with_name("pipeline.yaml"), {"OUT": str(tmp_path)})
    report = pipeline.run("inline")
    assert report.outcome == "finished"
    assert report.edge("camera", "measure").accounts == {"done": 100}

    camera = Camera(images=100, rate_hz=50)
    by_hand = [measure(make_message(camera.image(frame)), threshold=10) for frame in range(100)]
    with h5py.File(report.outputs["file"]) as file:
        assert file["counts"][()].tolist() == [found["counts"] for found in by_hand]
        assert np.abs(file["center"][()] - [camera.center(frame) for frame in range(100)]).max() < 0.2
        assert file["track"][()].sum() == 100
