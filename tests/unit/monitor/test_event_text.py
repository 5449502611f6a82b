"""Events as lines of text."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.core.encoded_message import encoded_message
from penstock.core.encoding import Encoding
from penstock.core.event import event_type
from penstock.core.message import Message
from penstock.monitor.event_text import array_lines, describe_event, event_lines


def test_an_event_is_told_part_by_part() -> None:
    many = tuple(Message(k, k) for k in range(10))
    camera = Message(5, 41, 1_700_000_000_000_000_000, {"exposure_s": 0.1, "text": "x" * 100}, np.eye(2))
    broken = encoded_message(
        Message(6, array=np.zeros(3, np.uint8), encodings=(Encoding("zstd", "<u2", (4,)),)), "other"
    )
    event = event_type(("camera", "pulses", "motor", "other"))(41, (camera, many, None, broken))
    lines = list(event_lines(event, width=60))
    assert lines[:5] == [
        "event 41",
        "  camera: key 41, 2023-11-14T22:13:20.000000000Z",
        "    exposure_s = 0.1",
        f"    text = '{'x' * 48}"[:60],
        "    float64 [2, 2], 0 to 1, mean 0.5",
    ]
    assert lines[7:9] == ["  pulses: 10 messages", "    key 0"]
    assert lines[16:18] == ["    and 2 more", "  motor: absent"]
    assert lines[19].startswith("    3 bytes, which cannot be shown: stream other, message 6: zstd, 3 bytes")
    assert describe_event(event)["parts"]["other"]["arrays"] == [
        {"dtype": "<u2", "shape": [4], "nbytes": 3, "encoding": "zstd"}
    ]


@pytest.mark.parametrize(
    ("array", "first"),
    [
        (np.arange(3), "[0 1 2]"),
        (np.array("text"), "'text'"),
        (np.zeros(0), "[]"),
        (np.zeros((100, 100)), ""),
        (np.full((100, 3), np.nan), ""),
        (np.ones((2, 1, 500)), "▁" * 64),
        (np.ones(100, [("a", "i4")]), "[(1,) (1,) (1,) ... (1,) (1,) (1,)]"),
    ],
)
def test_an_array_of_any_kind_has_a_small_view(array: NDArray[Any], first: str) -> None:
    lines = array_lines(array)
    assert lines[0] == first
    assert len(lines) <= 12
    assert all(len(line) <= 100 for line in lines)


def test_an_image_is_shaded_from_its_darkest_to_its_brightest() -> None:
    image = np.zeros((120, 128))
    image[60:, 64:] = 5
    image[0, 0] = np.nan
    assert array_lines(image) == [""] * 6 + [" " * 32 + "@" * 32] * 6
