"""Figures by name, out of reports."""

from penstock.core import NS_PER_S
from penstock.monitor.metric_values import METRICS, RUN, MetricValues
from penstock.monitor.report import EdgeReport, RunReport, StateReport, StepReport, books_of_nothing


def report(arrived: int, *, loss: int = 0, filtered: int = 0) -> RunReport:
    import msgspec

    def edge(producer: str, consumer: str) -> EdgeReport:
        return EdgeReport(
            producer=producer, consumer=consumer, arrived=arrived, accounts={"done": arrived - loss, "failed": loss},
            in_flight=0, counters={}, rate_per_s=0.0, remarks=[], recent_per_s=2.0, loss=loss,
        )  # fmt: skip

    step = StepReport(stage="fit", step="peak", arrived=arrived, filtered=filtered, failed=loss, rate_per_s=1.0)
    return msgspec.structs.replace(
        books_of_nothing("p", "r"),
        edges=[edge("(instrument)", "camera"), edge("camera", "fit"), edge("fit", "file")],
        steps=[step],
        states=[
            StateReport(name="p", kind="pipeline", state="degraded"),
            StateReport(name="fit", kind="stage", state="fault"),
        ],
        duration_s=3.0,
    )  # fmt: skip


def test_every_figure_that_is_promised_is_there_and_no_other() -> None:
    values = MetricValues(["camera"], ["fit"], ["file"]).look(report(10), 0)
    assert set(values) == {RUN, "camera", "fit", "file"}
    assert set(values["camera"]) == set(METRICS["source"])
    assert set(values["fit"]) - {"peak"} == set(METRICS["stage"])
    assert set(values["fit"]["peak"]) == set(METRICS["step"])
    assert set(values["file"]) == set(METRICS["sink"])
    assert set(values[RUN]) == set(METRICS[RUN])


def test_what_they_are() -> None:
    metrics = MetricValues(["camera"], ["fit"], ["file"])
    metrics.look(report(10), 0)
    values = metrics.look(report(40, loss=4, filtered=6), 2 * NS_PER_S)
    assert values["camera"]["in_per_s"] == 2.0
    assert values["fit"]["arrived"] == 40
    assert values["fit"]["failed"] == 4
    assert values["fit"]["loss_per_s"] == 2.0
    assert values["fit"]["peak"]["out_per_s"] == 10.0
    assert values["fit"]["out_per_s"] == 2.0
    assert values["fit"]["state"] == "fault"
    assert values[RUN]["state"] == "degraded"
    assert values[RUN]["loss"] == 12
    assert values["fit"]["silent_s"] == 0.0
    later = metrics.look(report(40, loss=4, filtered=6), 5 * NS_PER_S)
    assert later["fit"]["silent_s"] == 3.0
    assert later["fit"]["loss_per_s"] == 0.0


def test_what_never_came_is_silent_from_the_beginning() -> None:
    metrics = MetricValues(["camera"], ["fit"], ["file"])
    metrics.look(report(0), 5 * NS_PER_S)
    assert metrics.look(report(0), 9 * NS_PER_S)["camera"]["silent_s"] == 4.0
