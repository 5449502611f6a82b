"""What people declare: the pipeline file and its Python form, checked and turned into a plan."""

from penstock.extra import extra

with extra("run"):
    from penstock.pipeline.check import Checked, check_file, load_plan
    from penstock.pipeline.entries import Alarm, Join, Map, Merge, Reduce, Sink, Source, Steps, Use
    from penstock.pipeline.join_by import ByKey, ByOrder, ByTimestamp, ByTriggerMap
    from penstock.pipeline.pipeline import Pipeline
    from penstock.pipeline.plan import AlarmPlan, Element, JoinPlan, MergePlan, Plan, SinkPlan, SourcePlan, StagePlan

__all__ = [
    "Alarm",
    "AlarmPlan",
    "ByKey",
    "ByOrder",
    "ByTimestamp",
    "ByTriggerMap",
    "Checked",
    "Element",
    "Join",
    "JoinPlan",
    "Map",
    "Merge",
    "MergePlan",
    "Pipeline",
    "Plan",
    "Reduce",
    "Sink",
    "SinkPlan",
    "Source",
    "SourcePlan",
    "StagePlan",
    "Steps",
    "Use",
    "check_file",
    "load_plan",
]
