"""What must stay true of the ring and of the map."""

import numpy as np

from penstock.testing import make_event

from ring import RADII, Ring
from sample import Sample

AT = np.array((-0.5, 0.5), [("INENC1.VAL.Mean", float), ("INENC2.VAL.Mean", float)])


def test_only_the_ring_is_counted() -> None:
    image = np.zeros((64, 64), int)
    image[31, 54] = 7  # 22.5 px beside the beam
    image[31, 60] = 100  # too far
    point = Ring(radius_px=22).process(make_event(camera=image, panda=AT))
    assert (point["y"], point["x"], point["counts"]) == (-0.5, 0.5, 7)


def test_the_pattern_of_an_even_image_is_even() -> None:
    point = Ring().process(make_event(camera=np.full((64, 64), 3), panda=AT))
    assert point["pattern"].tolist() == [3] * len(RADII)


def test_a_point_without_image_is_left_out() -> None:
    assert Ring().process(make_event(camera=None, panda=AT)) is None


def test_a_point_is_put_where_it_was_measured() -> None:
    sample = Sample(rows=3, columns=2, step_um=1)
    sample.reduce({"y": -1.1, "x": 0.4, "counts": 5, "pattern": np.ones(len(RADII))})
    assert sample.map.array[0, 1] == 5
    assert np.isnan(sample.map.array).sum() == 5
