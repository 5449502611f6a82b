"""Branches of plain values, in every engine: none sees what another changes."""

from collections.abc import Iterator
from typing import Any

import pytest

from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps


def tagged() -> Iterator[dict[str, Any]]:
    for number in range(3):
        yield {"tags": [number]}


def again(item: dict[str, Any]) -> dict[str, Any]:
    return {"tags": [*item["tags"]]}


def spoil(item: dict[str, Any]) -> dict[str, Any]:
    item["tags"].append("spoilt")
    return item


def must_be_whole(item: dict[str, Any]) -> None:
    if len(item["tags"]) != 1:
        raise ValueError(f"somebody has changed {item}")


@pytest.mark.parametrize("engine", ["inline", "chains", "local"])
@pytest.mark.parametrize("read", ["n", "made"])
def test_branches_do_not_see_what_others_change(engine: str, read: str) -> None:
    pipeline = Pipeline(
        sources={"n": Source(tagged)},
        stages={
            "made": Steps(again, source="n"),
            "spoilt": Steps(spoil, source=read),
            "whole": Steps(must_be_whole, source=read),
            "after": Steps(spoil, source=read),
        },
    )
    report: RunReport = pipeline.run(engine)
    assert report.outcome == "finished", report.reasons
    assert report.edge(read, "whole").accounts == {"filtered": 3}
