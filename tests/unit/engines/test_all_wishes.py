"""Everything that can be asked of chains that run, by chance and all at once: the books say where each item ended."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.engines.chains import ChainsRun
from penstock.pipeline import Pipeline, Source, Steps, Use
from tests.unit.engines import parallel_code as code

WISHES = 40


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    code.KEPT.clear()


def flow(step: Any, run_in: str) -> Pipeline:
    stages = {
        "a": Steps(code.as_it_is, source="n"),
        "s": Steps(step, source="a", workers=2, run_in=run_in),
        "g": Steps(code.pairs, source="s"),
        "k": Steps(Use(code.keep_as, name="k"), source="g"),
        "o": Steps(Use(code.keep_as, name="o"), source="a", run_in="thread"),
    }
    return Pipeline(sources={"n": Source(code.endless, n=0)}, stages=stages)


def kept(name: str) -> list[int]:
    return [item for label, item in code.KEPT if label == name]


@pytest.mark.parametrize(
    ("step", "run_in", "end"),
    [
        (code.add, "thread", "drain"), (code.add_async, "thread", "drain"), (code.add, "process", "drain"),
        (code.add, "thread", "abort"), (code.add_async, "thread", "abort"),
    ],
)  # fmt: skip
def test_whatever_is_asked_for_every_item_ends_in_one_account(step: Any, run_in: str, end: str) -> None:
    chains = ChainsRun(flow(step, run_in).plan())
    chains.open()
    told: list[int] = []
    asked = 0
    for wish, name, number in _wishes(random.Random(7)):
        chains.step(0.005)
        match wish:
            case "hold":
                chains.hold(name)
            case "release":
                chains.release(name)
            case "discard":
                chains.discard(told.append)
                asked += 1
            case "scale":
                chains.scale("s", number)
            case _:
                chains.restart("s-0")
        assert chains.report().adds_up
    if end == "drain":
        chains.release("")
        before = len(kept("k"))
        while len(kept("k")) < before + 100:
            assert chains.step(0.01)
        chains.drain()
        while chains.step():
            pass
    else:
        chains.abort()
    report = chains.finish()
    assert report.adds_up
    assert len(told) == asked
    arrived = report.edge("instrument", "n").accounts["done"]
    for reader in ("s", "o"):
        found = report.edge("a", reader)
        assert found.arrived == arrived
        assert set(found.accounts) <= {"done", "filtered", "aborted"}
    given_up = sum(report.edge("a", reader).accounts.get("aborted", 0) for reader in ("s", "o"))
    for name, reader in (("k", "s"), ("o", "o")):
        assert kept(name) == sorted(set(kept(name)))
        if end == "drain":
            found = report.edge("a", reader)
            assert len(kept(name)) == found.arrived - found.accounts.get("aborted", 0)
    assert sum(told) == given_up if end == "drain" else sum(told) <= given_up


def _wishes(chance: random.Random) -> Iterator[tuple[str, str, int]]:
    for _ in range(WISHES):
        (wish,) = chance.choices(["hold", "release", "discard", "scale", "restart"], [3, 4, 1, 1, 1])
        yield wish, chance.choice(["n", "a", "s", "g", "k", "o", ""]), chance.randint(1, 4)
