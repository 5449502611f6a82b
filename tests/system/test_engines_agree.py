"""Pipelines made by chance give the same views, books and reasons on every engine."""

import random
from pathlib import Path
from typing import Any

import h5py
import pytest

from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source
from penstock.testing import engine_cases as cases

SEEDS = [*range(12), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(12, 500))]


def made(seed: int, folder: Path) -> Pipeline:
    chance = random.Random(seed)
    n = chance.choice([0, 1, 5, 50, 500, 3000])
    sources = {
        f"s{k}": Source(
            cases.Frames,
            n=n,
            block=chance.choice([1, 7, 64, 1000]),
            missing=sorted(chance.sample(range(n), min(n, chance.choice([0, 0, 3])))),
        )
        for k in range(chance.choice([1, 2, 3]))
    }
    code = chance.choice([cases.whole, cases.number, cases.odd])
    has_second = code is not cases.whole and chance.random() < 0.5
    by: Any = chance.choice(["order", "key", "trigger-map"]) if n else "key"  # a map of no events is refused
    if by == "trigger-map":
        stickiness = chance.choice([1, 2, 5])
        for_all = [] if has_second else [[{"constraint": None}]]  # whose several results a second stage refuses
        cells = {
            name: [chance.choice([[{"constraint": e % stickiness}]] * 9 + [None, *for_all]) for e in range(n)]
            for name in sources
        }
        by = {"trigger-map": {"map": cells}}
    stages: dict[str, Map | Reduce] = {
        "map": Map(code, source="scan", workers=chance.choice([1, 2, 4]), prefetch=chance.choice([1, 2, 4]))
    }
    if has_second:
        stages["second"] = Map(cases.twice, source="map", workers=chance.choice([1, 2]))
    reducer = cases.Table if code is cases.whole else cases.Sum
    stages["sum"] = Reduce(reducer, source="second" if has_second else "map")
    return Pipeline(
        name="chance",
        sources=sources,
        events={"scan": Join(*sources, by=by, incomplete=chance.choice(["pass", "drop"]))},
        stages=stages,
        sinks={"file": Sink("hdf5", source="sum", path="{run}.h5")},
        folder=folder,
    )


def views(report: RunReport) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def read(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = repr(item.asstr()[()].tolist()).encode() if item.dtype == object else item[()].tobytes()

    if report.outputs:
        with h5py.File(report.outputs["file"]) as file:
            file.visititems(read)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_chance(seed: int, tmp_path: Path) -> None:
    reports = []
    for engine in ("inline", "local"):
        folder = tmp_path / engine
        folder.mkdir()
        reports.append(made(seed, folder).run(engine))
    one, other = reports
    assert (other.outcome, other.reasons) == (one.outcome, one.reasons)
    assert [(e.producer, e.consumer, e.accounts, e.counters) for e in other.edges] == [
        (e.producer, e.consumer, e.accounts, e.counters) for e in one.edges
    ]
    assert views(other) == views(one)
    assert all(report.adds_up for report in reports)
