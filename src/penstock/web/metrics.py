"""A report as Prometheus reads it: the same numbers, under names and labels of its conventions.

What is counted is in `METRICS`, from which the reference page is checked; nothing is kept between two questions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from penstock.core.alarm import AlarmState
from penstock.core.timestamp import NS_PER_S
from penstock.extra import extra

__all__ = ["METRICS", "Metric", "exposition"]

Report = Mapping[str, Any]
"""As `penstock.monitor.report.RunReport` is in JSON."""
QUANTILES: Final = (("0.5", "p50_s"), ("0.99", "p99_s"))
GONE: Final = ("stopped", "fault")
"""States of a worker that is not there."""
STATES: Final = ("initialised", "waiting", "processing", "finishing", "stopped", "degraded", "fault")


class Metric(NamedTuple):
    """One family of numbers."""

    name: str
    """Without ``_total``, which a counter has behind it."""
    kind: Literal["counter", "gauge", "summary"]
    labels: tuple[str, ...]
    help: str


class _Sample(NamedTuple):
    labels: tuple[str, ...]
    value: float
    sum_s: float = 0.0
    quantiles: tuple[tuple[str, float], ...] = ()


_EDGE: Final = ("producer", "consumer")
_STEP: Final = ("stage", "step")
_PROCESS: Final = ("process", "role")
_ALARM: Final = ("alarm", "level")
_ALARM_STATE: Final = (*_ALARM, "state")
_STREAM: Final = ("stream",)
_GROUP: Final = ("stream", "group")
FILE_STATES: Final = ("waiting", "reading", "read", "done", "failed")

METRICS: Final = (
    Metric("penstock_run_info", "gauge", ("pipeline", "run", "outcome"), "1; which run this is, and how it stands."),
    Metric("penstock_run_duration_seconds", "gauge", (), "For how long the run goes on, or went on."),
    Metric("penstock_run_start_time_seconds", "gauge", (), "When it began, seconds since 1970 UTC."),
    Metric("penstock_state", "gauge", ("kind", "name", "of", "state"), "1 for the state that something is in, else 0."),
    Metric("penstock_edge_arrived", "counter", _EDGE, "What came in over an edge."),
    Metric("penstock_edge_ended", "counter", (*_EDGE, "account"), "What ended in an account."),
    Metric("penstock_edge_lost", "counter", _EDGE, "What should have got through and did not."),
    Metric("penstock_edge_irregular", "counter", (*_EDGE, "what"), "Gaps, reordered, restarts and doubled numbers."),
    Metric("penstock_edge_in_flight", "gauge", _EDGE, "What came in and has not ended."),
    Metric("penstock_edge_queue_items", "gauge", _EDGE, "What waits on a queue before the consumer."),
    Metric("penstock_edge_queue_capacity_items", "gauge", _EDGE, "How many items that queue holds."),
    Metric("penstock_edge_latency_seconds", "summary", _EDGE, "From arrival on an edge until the end in an account."),
    Metric("penstock_edge_latency_max_seconds", "gauge", _EDGE, "The longest of these."),
    Metric("penstock_stage_latency_seconds", "summary", ("stage",), "From an event's first message to its result."),
    Metric("penstock_join_events", "counter", ("join",), "Events that a join has formed."),
    Metric("penstock_join_partial_events", "counter", ("join",), "Those that lack a part."),
    Metric("penstock_join_planned_events", "gauge", ("join",), "How many the trigger map plans."),
    Metric("penstock_step_arrived", "counter", _STEP, "Items that came to a step."),
    Metric("penstock_step_filtered", "counter", _STEP, "Items that it let go no further."),
    Metric("penstock_step_failed", "counter", _STEP, "Items on which it raised."),
    Metric("penstock_step_call_mean_seconds", "gauge", _STEP, "How long a call takes, of those that were timed."),
    Metric("penstock_step_call_max_seconds", "gauge", _STEP, "The longest of these."),
    Metric("penstock_step_queue_items", "gauge", _STEP, "What waits on a queue before a step."),
    Metric("penstock_stage_workers", "gauge", ("stage",), "Workers that are there."),
    Metric("penstock_stage_workers_coming", "gauge", ("stage",), "Workers that the load asked for, not there yet."),
    Metric("penstock_stage_workers_limit", "gauge", ("stage", "bound"), "Least and most that the load may ask for."),
    Metric("penstock_stage_busy_ratio", "gauge", ("stage",), "Part of the time in which workers by load worked."),
    Metric("penstock_stage_waiting_items", "gauge", ("stage",), "What no worker by load was given yet."),
    Metric("penstock_files", "gauge", ("reader", "state"), "Files that a source or step opens, by how far they are."),
    Metric("penstock_files_items", "counter", ("reader",), "Items that came of these files."),
    Metric("penstock_output_info", "gauge", ("sink", "path"), "1; what a sink has written."),
    Metric("penstock_alarm_state", "gauge", _ALARM_STATE, "1 for the state that an alarm is in, else 0."),
    Metric("penstock_alarm_raised", "counter", _ALARM, "How often an alarm was raised."),
    Metric("penstock_alarm_muted", "gauge", _ALARM, "1 while nobody is told of an alarm, else 0."),
    Metric("penstock_feedback", "counter", (), "What user code has said back to the scan."),
    Metric("penstock_stream_messages", "counter", _STREAM, "Messages that have come to a durable stream."),
    Metric("penstock_stream_missing_messages", "gauge", _STREAM, "Ids of a stream that never came."),
    Metric("penstock_stream_bytes", "gauge", _STREAM, "Bytes of a stream that are stored."),
    Metric("penstock_stream_last_time_seconds", "gauge", _STREAM, "When its latest message came, seconds since 1970."),
    Metric("penstock_group_lag_messages", "gauge", _GROUP, "Messages that a group has still to acknowledge."),
    Metric("penstock_group_in_flight_messages", "gauge", _GROUP, "Those of them that a member has."),
    Metric("penstock_group_dead_messages", "gauge", _GROUP, "Messages that a group has given up."),
    Metric("penstock_group_acknowledged", "counter", _GROUP, "Messages that it has acknowledged."),
    Metric("penstock_group_redelivered", "counter", _GROUP, "Messages that it was given again."),
    Metric("penstock_group_members", "gauge", _GROUP, "Readers that share its messages."),
    Metric("penstock_pool_slots", "gauge", ("pool",), "Slots of a pool of shared memory."),
    Metric("penstock_pool_free_slots", "gauge", ("pool",), "Those that nobody reads or waits for."),
    Metric("penstock_pool_bytes", "gauge", ("pool",), "Bytes of a pool."),
    Metric("penstock_process_cpu_seconds", "counter", _PROCESS, "CPU time of a process."),
    Metric("penstock_process_private_bytes", "gauge", _PROCESS, "Memory that goes when the process goes."),
    Metric("penstock_process_peak_bytes", "gauge", _PROCESS, "The most that was resident at once."),
    Metric("penstock_process_deaths", "counter", _PROCESS, "How often one of this name died and was replaced."),
    Metric("penstock_notices", "counter", ("level",), "Notices by level; those not kept under unkept."),
)
"""Everything there is, in the order in which it is written."""


def exposition(report: Report | None, streams: Report | None = None) -> tuple[bytes, str]:
    """Return what is answered, and its content type.

    Parameters
    ----------
    report
        ``None``: there is no run yet.
    streams
        As ``StoredStreams.latest`` returns them; ``None``: nothing is known of any.

    Raises
    ------
    MissingExtraError
        If prometheus-client is not installed.
    """
    with extra("run"):
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry()  # our own: the one of the process has numbers of the web process
    registry.register(_Collector(samples(report, streams)))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector:
    """What prometheus-client asks."""

    def __init__(self, found: Mapping[str, list[_Sample]]) -> None:
        self._found = found

    def describe(self) -> Iterable[Any]:
        return ()

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

        families = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "summary": SummaryMetricFamily}
        for metric in METRICS:
            family: Any = families[metric.kind](metric.name, metric.help, labels=metric.labels)
            for sample in self._found.get(metric.name, ()):
                if metric.kind != "summary":
                    family.add_metric(sample.labels, sample.value)
                    continue
                labels = dict(zip(metric.labels, sample.labels, strict=True))
                for quantile, value in sample.quantiles:
                    family.add_sample(metric.name, {**labels, "quantile": quantile}, value)
                family.add_metric(sample.labels, sample.value, sample.sum_s)
            yield family


Found = tuple[str, tuple[str, ...], "float | Report | None"]
"""Name, labels, and a number or a latency; ``None``: there is none."""


def samples(report: Report | None, streams: Report | None = None) -> dict[str, list[_Sample]]:
    """Return the numbers of a report, and of streams, by the names of their metrics."""
    found: dict[str, list[_Sample]] = {}
    parts = [*(() if not report else (part(report) for part in _PARTS)), () if not streams else _of_streams(streams)]
    for part in parts:
        for name, labels, value in part:
            if isinstance(value, Mapping):
                quantiles = tuple((quantile, value[key]) for quantile, key in QUANTILES)
                sample = _Sample(labels, value["count"], value["sum_s"], quantiles)
            elif value is not None:
                sample = _Sample(labels, value)
            else:
                continue
            found.setdefault(f"penstock_{name}", []).append(sample)
    return found


def _of_run(report: Report) -> Iterator[Found]:
    yield "run_info", (report["pipeline"], report["run"], report["outcome"]), 1
    yield "run_duration_seconds", (), report["duration_s"]
    yield "run_start_time_seconds", (), _since_1970_s(report["started"])
    for each in report["states"]:
        for state in STATES:
            yield "state", (each["kind"], each["name"], each["of"], state), float(each["state"] == state)
    for level, count in report["notice_counts"].items():
        yield "notices", (level,), count
    yield "feedback", (), report["feedback_count"]


def _of_edges(report: Report) -> Iterator[Found]:
    for edge in report["edges"]:
        labels, latency = (edge["producer"], edge["consumer"]), edge["latency"]
        yield "edge_arrived", labels, edge["arrived"]
        yield "edge_lost", labels, edge["loss"]
        yield "edge_in_flight", labels, edge["in_flight"]
        for account, count in edge["accounts"].items():
            yield "edge_ended", (*labels, account), count
        for what, count in edge["counters"].items():
            yield "edge_irregular", (*labels, what), count
        if edge["capacity"]:
            yield "edge_queue_items", labels, edge["waiting"]
            yield "edge_queue_capacity_items", labels, edge["capacity"]
        yield "edge_latency_seconds", labels, latency
        yield "edge_latency_max_seconds", labels, None if latency is None else latency["max_s"]


def _of_events(report: Report) -> Iterator[Found]:
    for stage, latency in report["latencies"].items():
        yield "stage_latency_seconds", (stage,), latency
    for join, events in report["joins"].items():
        yield "join_events", (join,), events["formed"]
        yield "join_partial_events", (join,), events["partial"]
        yield "join_planned_events", (join,), events["planned"]


def _of_steps(report: Report) -> Iterator[Found]:
    for step in report["steps"]:
        labels = step["stage"], step["step"]
        yield "step_arrived", labels, step["arrived"]
        yield "step_filtered", labels, step["filtered"]
        yield "step_failed", labels, step["failed"]
        yield "step_call_mean_seconds", labels, step["mean_s"]
        yield "step_call_max_seconds", labels, step["max_s"]
        yield "step_queue_items", labels, step["waiting"] if step["capacity"] else None


def _of_workers(report: Report) -> Iterator[Found]:
    there = Counter(each["of"] for each in report["states"] if each["of"] and each["state"] not in GONE)
    by_load = {each["stage"]: each for each in report["staffs"]}
    for stage in dict.fromkeys([*there, *by_load]):
        yield "stage_workers", (stage,), by_load[stage]["workers"] if stage in by_load else there[stage]
    for stage, each in by_load.items():
        yield "stage_workers_coming", (stage,), each["coming"]
        for bound in ("least", "most"):
            yield "stage_workers_limit", (stage, bound), each[bound]
        yield "stage_busy_ratio", (stage,), each["busy"]
        yield "stage_waiting_items", (stage,), each["waiting"]


def _of_files(report: Report) -> Iterator[Found]:
    for reader in report["files"]:
        for state in FILE_STATES:
            yield "files", (reader["name"], state), reader[state]
        yield "files_items", (reader["name"],), reader["items"]
    for sink, path in report["outputs"].items():
        yield "output_info", (sink, path), 1


def _of_alarms(report: Report) -> Iterator[Found]:
    for alarm in report["alarms"]:
        labels = alarm["name"], alarm["level"]
        for state in AlarmState:
            yield "alarm_state", (*labels, state.value), float(alarm["state"] == state)
        yield "alarm_raised", labels, alarm["times"]
        yield "alarm_muted", labels, float(alarm["muted_until"] is not None)


def _of_pools(report: Report) -> Iterator[Found]:
    for pool in report["pools"]:
        labels = (pool["name"],)
        yield "pool_slots", labels, pool["slots"]
        yield "pool_free_slots", labels, pool["free"]
        yield "pool_bytes", labels, pool["slots"] * pool["slot_bytes"]


def _of_processes(report: Report) -> Iterator[Found]:
    for process in _distinct([*report["processes"], *report["machinery"]]):
        labels = process["name"], process["role"]
        yield "process_cpu_seconds", labels, process["cpu_s"]
        yield "process_deaths", labels, process["deaths"]
        if process["pid"]:
            yield "process_private_bytes", labels, process["private_bytes"]
            yield "process_peak_bytes", labels, process["max_rss_bytes"]


def _distinct(processes: Iterable[Report]) -> Iterator[Report]:
    """Give those of one name, as programs that are started again and again, its number behind it: no series twice."""
    seen: set[tuple[str, str]] = set()
    for process in processes:
        key = process["name"], process["role"]
        yield process if key not in seen else {**process, "name": f"{process['name']}-{process['pid']}"}
        seen.add(key)


def _of_streams(streams: Report) -> Iterator[Found]:
    for stream in streams["streams"]:
        labels = (stream["address"],)
        yield "stream_messages", labels, stream["count"] + stream["removed"]
        yield "stream_missing_messages", labels, stream["missing"]
        yield "stream_bytes", labels, stream["nbytes"]
        if stream["last_ns"]:
            yield "stream_last_time_seconds", labels, stream["last_ns"] / NS_PER_S
    for group in streams["groups"]:
        which = group["address"], group["name"]
        yield "group_lag_messages", which, group["lag"]
        yield "group_in_flight_messages", which, group["in_flight"]
        yield "group_dead_messages", which, group["dead"]
        yield "group_acknowledged", which, group["acknowledged"]
        yield "group_redelivered", which, group["redelivered"]
        yield "group_members", which, len(group["members"])


_PARTS: Final = (
    _of_run, _of_edges, _of_events, _of_steps, _of_workers, _of_files, _of_alarms, _of_pools, _of_processes,
)  # fmt: skip


def _since_1970_s(started: str) -> float | None:
    return datetime.fromisoformat(started.partition(".")[0] + "+00:00").timestamp() if started else None
