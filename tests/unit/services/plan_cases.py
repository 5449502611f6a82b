"""What the tests of plans on their way share: pipelines with everything a plan can have, and the examples."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from penstock.core.parameter import Unit
from penstock.pipeline import ByKey, Join, Map, Merge, Pipeline, Plan, Reduce, Sink, Source, Steps, Use
from penstock.pipeline.check import check_file
from penstock.testing import engine_cases as cases

ROOT = Path(__file__).parents[3]
EXAMPLES = {
    "first": ROOT / "examples/first/pipeline.yaml",
    "nanomax": ROOT / "examples/nanomax/pipeline.yaml",
    "debug": ROOT / "tests/pipelines/fluorescence-debug.yaml",
    "analyses": ROOT / "tests/pipelines/two-analyses.yaml",
    "branching": ROOT / "tests/pipelines/node-branching.yaml",
}


class Weighted:
    """A worker with frozen arguments and parameters."""

    def __init__(
        self, lines: Any = ("Fe",), *, gain: Annotated[float, Unit("1")] = 1.5, name: str = "none", limit: int = 3
    ) -> None:
        self.lines, self.gain, self.name, self.limit = lines, gain, name, limit

    def process(self, event: Any) -> float:
        """Return the gain."""
        return self.gain


def above(item: Any, *, above: float = 0.0, field: str = "") -> Any:
    """Let an item through."""
    return item


def made() -> Pipeline:
    """Return a pipeline in which nearly nothing is as it is by default."""
    return Pipeline(
        name="everything",
        sources={
            "a": Source(cases.Frames, n=10, missing=(2, 3), slots=5),
            "b": Source(cases.Frames, n=10, when_full="drop_newest"),
            "c": Source(cases.Frames, n=10),
        },
        events={
            "scan": Join("a", "b", by=ByKey(reorder=4), incomplete="drop", wait_s=7),
            "both": Merge("a", "c"),
        },
        stages={
            "fit": Map(
                Weighted, lines=["Fe", "Ni"], gain=2.5, source="scan", workers=3, order="free", on_error="retry",
                prefetch=4, trips=5, deadline_s=9, parameters={"name": "first"}, tags=["generic", "gpu"],
            ),
            "watch": Steps(
                Use(above, above=1.0), Use(above, field="x"), Use(above),
                source="both", parameters={"above_2": {"above": 7}},
            ),
            "total": Reduce(cases.Sum, source={"high": "fit", "low": "watch"}, checkpoint_s=3),
        },
        sinks={"file": Sink("hdf5", source="total", path="out.h5"), "lines": Sink(cases.Lines, source="fit", path="l")},
    )  # fmt: skip


@contextmanager
def imports_undone() -> Iterator[None]:
    """Let modules of users that are imported here be forgotten afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith((str(ROOT / "examples"), str(ROOT / "tests/pipelines"))):
            del sys.modules[name]


def plan_of(name: str) -> Plan:
    """Return the plan of an example, or of ``everything``."""
    if name == "everything":
        return made().plan()
    found = check_file(EXAMPLES[name], environ={}, cores=1000).plan
    assert found is not None
    return found
