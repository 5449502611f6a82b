"""The figures of a run by name, as conditions of alarms read them: ``fit.in_per_s``, ``run.loss``.

They are made of reports alone; what a report does not say, such as how long nothing has come, follows from two of them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from penstock.core.timestamp import NS_PER_S
from penstock.monitor.report import EdgeReport, RunReport, StepReport

__all__ = ["METRICS", "RUN", "MetricValues"]

RUN: Final = "run"
"""Under which stands what is of the whole run, unless an entry of the pipeline has this name."""

_ALL: Final = {
    "in_per_s": "items that come, over about the last second",
    "arrived": "items that have come",
    "in_flight": "items that have come and have not ended",
    "done": "items that are done",
    "filtered": "items that were filtered",
    "failed": "items that code failed on",
    "dropped": "items given up because there was no room",
    "dead_lettered": "items set aside",
    "loss": "items that should have got through and did not",
    "loss_per_s": "the same, over about the last second",
    "silent_s": "for how long nothing has come, in s; from the beginning on",
    "state": 'as text, such as "fault"',
}
METRICS: Final[Mapping[str, Mapping[str, str]]] = {
    "source": _ALL,
    "stage": {
        **_ALL,
        "out_per_s": "items that are given on, over about the last second",
        "latency_p50_s": "half of the items take less until they have ended, in s",
        "latency_p99_s": "99 of 100 take less, in s",
        "workers": "processes that work",
        "deaths": "of its processes, so far",
        "memory_bytes": "of its processes, without what they share",
        "largest_bytes": "of the one of its processes that has most",
    },
    "sink": {
        **_ALL,
        "latency_p50_s": "half of the items take less until they are written, in s",
        "latency_p99_s": "99 of 100 take less, in s",
    },
    "step": {
        "in_per_s": "items that come, over about the last second",
        "out_per_s": "items that get through, over about the last second",
        "arrived": "items that have come",
        "filtered": "items that ended here",
        "failed": "items that it failed on",
        "waiting": "items on the queue before it",
        "mean_s": "how long a call takes, in s",
        "max_s": "how long the longest took, in s",
    },
    RUN: {
        "in_flight": "items that have come and have not ended, everywhere",
        "loss": "items that should have got through and did not, everywhere",
        "loss_per_s": "the same, over about the last second",
        "dead_letters": "items set aside",
        "duration_s": "how long it has been running, in s",
        "cpu": "processors that its processes keep busy, of their own; 2 are two of them",
        "memory_bytes": "of its processes, without what they share",
        "state": "of the pipeline, as text",
    },
}
"""By kind of entry, what can be asked of it, and what it is."""


class MetricValues:
    """Reads reports of one run, one after the other.

    Parameters
    ----------
    sources, stages, sinks
        The names of the pipeline's entries.
    """

    def __init__(self, sources: Iterable[str], stages: Iterable[str], sinks: Iterable[str]) -> None:
        self._kinds = dict.fromkeys(sources, "source") | dict.fromkeys(stages, "stage") | dict.fromkeys(sinks, "sink")
        self._began_ns: int | None = None
        self._heard: dict[str, tuple[int, int]] = {}
        """By entry, how many had come, and since when it has been so many."""
        self._before: dict[str, tuple[float, int]] = {}
        """By figure, what it was, and when."""
        self._per_s: dict[str, float] = {}

    def look(self, report: RunReport, now_ns: int) -> dict[str, Any]:
        """Return all figures, as trees of names.

        Parameters
        ----------
        now_ns
            Of any clock that only goes on.
        """
        if self._began_ns is None:
            self._began_ns = now_ns
        found: dict[str, Any] = {RUN: self._run(report, now_ns)}
        for name, kind in self._kinds.items():
            edges = [edge for edge in report.edges if edge.consumer == name]
            found[name] = self._entry(name, edges, now_ns)
            found[name]["state"] = next((each.state for each in report.states if each.name == name), None)
            if kind == "stage":
                found[name] |= self._stage(name, report, now_ns)
            if kind != "source":
                found[name] |= _latency(edges)
        return found

    def _entry(self, name: str, edges: list[EdgeReport], now_ns: int) -> dict[str, Any]:
        arrived = sum(edge.arrived for edge in edges)
        if name not in self._heard or self._heard[name][0] != arrived:
            self._heard[name] = arrived, now_ns if arrived else self._began_ns or now_ns
        loss = sum(edge.loss for edge in edges)

        def of(account: str) -> int:
            return sum(edge.accounts.get(account, 0) for edge in edges)

        return {
            "in_per_s": sum(edge.recent_per_s for edge in edges),
            "arrived": arrived,
            "in_flight": sum(edge.in_flight for edge in edges),
            "done": of("done"),
            "filtered": of("filtered"),
            "failed": of("failed"),
            "dropped": of("dropped"),
            "dead_lettered": of("dead-lettered"),
            "loss": loss,
            "loss_per_s": self._rate(f"{name}.loss", loss, now_ns),
            "silent_s": (now_ns - self._heard[name][1]) / NS_PER_S,
        }

    def _stage(self, name: str, report: RunReport, now_ns: int) -> dict[str, Any]:
        steps = [step for step in report.steps if step.stage == name]
        behind = [edge.recent_per_s for edge in report.edges if edge.producer.partition(".")[0] == name]
        found: dict[str, Any] = {step.step: self._step(step, now_ns) for step in steps}
        last = found[steps[-1].step]["out_per_s"] if steps else None
        processes = [each for each in report.processes if each.name.rpartition("-")[0] == name]
        return found | {
            "out_per_s": max(behind) if behind else last,
            "workers": sum(1 for each in processes if each.pid),
            "deaths": sum(each.deaths for each in processes),
            "memory_bytes": sum(each.private_bytes for each in processes if each.pid),
            "largest_bytes": max((each.private_bytes for each in processes if each.pid), default=0),
        }

    def _step(self, step: StepReport, now_ns: int) -> dict[str, Any]:
        through = step.arrived - step.filtered - step.failed
        return {
            "in_per_s": step.recent_per_s,
            "out_per_s": self._rate(f"{step.stage}.{step.step}", through, now_ns),
            "arrived": step.arrived,
            "filtered": step.filtered,
            "failed": step.failed,
            "waiting": step.waiting,
            "mean_s": step.mean_s,
            "max_s": step.max_s,
        }

    def _run(self, report: RunReport, now_ns: int) -> dict[str, Any]:
        loss = sum(edge.loss for edge in report.edges)
        cpu_s = sum(process.cpu_s for process in report.processes)
        return {
            "in_flight": sum(edge.in_flight for edge in report.edges),
            "loss": loss,
            "loss_per_s": self._rate(RUN, loss, now_ns),
            "dead_letters": sum(edge.accounts.get("dead-lettered", 0) for edge in report.edges),
            "duration_s": report.duration_s,
            "cpu": self._rate("run.cpu", cpu_s, now_ns),
            "memory_bytes": sum(process.private_bytes for process in report.processes),
            "state": report.states[0].state if report.states else None,
        }

    def _rate(self, figure: str, value: float, now_ns: int) -> float:
        """Return by how much a figure has grown a second since the look before."""
        before, then_ns = self._before.get(figure, (value, now_ns))
        if now_ns > then_ns:
            self._per_s[figure] = max(0.0, (value - before) * NS_PER_S / (now_ns - then_ns))
        self._before[figure] = value, now_ns
        return self._per_s.get(figure, 0.0)


def _latency(edges: list[EdgeReport]) -> dict[str, float | None]:
    known = [edge.latency for edge in edges if edge.latency is not None]
    return {
        "latency_p50_s": max((each.p50_s for each in known), default=None),
        "latency_p99_s": max((each.p99_s for each in known), default=None),
    }
