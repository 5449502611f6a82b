"""What people declare: the pipeline file and its Python form, checked and turned into a plan.

Each name is loaded when it is first asked for: the processes of a run import modules of this room that need no pydantic
and read no YAML, and start 0.15 s earlier without.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from penstock.extra import extra

if TYPE_CHECKING:
    from penstock.pipeline.check import Checked as Checked
    from penstock.pipeline.check import check_file as check_file
    from penstock.pipeline.check import load_plan as load_plan
    from penstock.pipeline.entries import Alarm as Alarm
    from penstock.pipeline.entries import Join as Join
    from penstock.pipeline.entries import Map as Map
    from penstock.pipeline.entries import Merge as Merge
    from penstock.pipeline.entries import Reduce as Reduce
    from penstock.pipeline.entries import Sink as Sink
    from penstock.pipeline.entries import Source as Source
    from penstock.pipeline.entries import Steps as Steps
    from penstock.pipeline.entries import Use as Use
    from penstock.pipeline.join_by import ByKey as ByKey
    from penstock.pipeline.join_by import ByOrder as ByOrder
    from penstock.pipeline.join_by import ByTimestamp as ByTimestamp
    from penstock.pipeline.join_by import ByTriggerMap as ByTriggerMap
    from penstock.pipeline.pipeline import Pipeline as Pipeline
    from penstock.pipeline.plan import AlarmPlan as AlarmPlan
    from penstock.pipeline.plan import Element as Element
    from penstock.pipeline.plan import JoinPlan as JoinPlan
    from penstock.pipeline.plan import MergePlan as MergePlan
    from penstock.pipeline.plan import Plan as Plan
    from penstock.pipeline.plan import SinkPlan as SinkPlan
    from penstock.pipeline.plan import SourcePlan as SourcePlan
    from penstock.pipeline.plan import StagePlan as StagePlan

with extra("run"):  # looked for and not loaded; whoever imports any module of this room is told
    for library in ("pydantic", "yaml"):
        if find_spec(library) is None:
            raise ModuleNotFoundError(f"No module named {library!r}", name=library)

_HOMES = {
    "Alarm": "entries",
    "AlarmPlan": "plan",
    "ByKey": "join_by",
    "ByOrder": "join_by",
    "ByTimestamp": "join_by",
    "ByTriggerMap": "join_by",
    "Checked": "check",
    "Element": "plan",
    "Join": "entries",
    "JoinPlan": "plan",
    "Map": "entries",
    "Merge": "entries",
    "MergePlan": "plan",
    "Pipeline": "pipeline",
    "Plan": "plan",
    "Reduce": "entries",
    "Sink": "entries",
    "SinkPlan": "plan",
    "Source": "entries",
    "SourcePlan": "plan",
    "StagePlan": "plan",
    "Steps": "entries",
    "Use": "entries",
    "check_file": "check",
    "load_plan": "check",
}
"""Where each name lives."""

__all__ = [*_HOMES]  # noqa: PLE0604  # every name is a text


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with extra("run"):
        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found  # the next look-up no longer comes here
    return found
