"""Plain columns, read at once: the same map as cell by cell, and nothing that is not plain."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.map_reader import read_map
from penstock.core.plain_cells import plain_column
from penstock.core.trigger_map import TriggerMap
from penstock.errors import MapError

PLAIN: st.SearchStrategy[Any] = st.none() | st.just([]) | st.integers(0, 10**17).map(lambda k: [{"constraint": k}])
SPACED = st.sampled_from([None, 1])


def _seen(trigger_map: TriggerMap) -> list[Any]:
    numbers = np.arange(trigger_map.length or 0)
    routes = trigger_map.routes(numbers, "a")
    return [
        trigger_map.expected("a", numbers).tolist(),
        trigger_map.kept("a", numbers).tolist(),
        routes.constraint.tolist(),
    ]


@given(st.lists(PLAIN, min_size=1, max_size=40), SPACED)
def test_the_map_is_that_of_the_single_cells(cells: list[Any], indent: int | None) -> None:
    document = {"parts": {"main": {"a": cells}}, "sequence": ["main"]}
    assert plain_column(json.dumps(cells, indent=indent).encode()) is not None
    assert _seen(read_map(json.dumps(document, indent=indent))) == _seen(read_map(document))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "{}",
        '[[{"constraint": null}]]',
        '[[{"constraint": -1}]]',
        '[[{"constraint": 01}]]',
        '[[{"constraint": 1.0}]]',
        '[[{"constraint": 1e3}]]',
        '[[{"constraint": 1, "tags": ["debug"]}]]',
        '[[{"constraint": 1}, {"constraint": 2}]]',
        '[[{"tags": ["debug"]}]]',
        '[[{"constraint": 1}] null]',
        '[[{"constraint": 1}],]',
        '[[{"constraint": 9999999999999999999}]]',
        "[nullnull]",
        "[[[]]]",
    ],
)
def test_what_is_not_plain_is_left_alone(text: str) -> None:
    assert plain_column(text.encode()) is None


def test_a_mistake_in_one_cell_of_many_is_still_named() -> None:
    cells: list[Any] = [[{"constraint": event}] for event in range(100)]
    cells[70] = [{"constraint": -3}]
    with pytest.raises(MapError, match=r"parts\.main\.a\[70\]: constraint -3 is below 0"):
        read_map(json.dumps({"parts": {"main": {"a": cells}}}))
