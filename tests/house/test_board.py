"""The board for Grafana and the alerts ask for what there is: every metric, every label, and nothing else."""

import re

import pytest
import yaml

from penstock.core.alarm import AlarmState
from penstock.core.ledger import Account
from penstock.web.metrics import FILE_STATES, METRICS, QUANTILES, STATES
from tests.house.board import BOARD, Query, alert_queries, board, board_queries, panels

QUERIES = [*board_queries(), *alert_queries()]
PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds to everything."""


def _series() -> dict[str, tuple[str, set[str]]]:
    """What can be asked for: the kind and the labels of every name."""
    found: dict[str, tuple[str, set[str]]] = {"up": ("gauge", set())}
    for metric in METRICS:
        labels = set(metric.labels)
        if metric.kind == "summary":
            found[metric.name] = "gauge", labels | {"quantile"}
            found |= {f"{metric.name}_{part}": ("counter", labels) for part in ("sum", "count")}
        else:
            found[metric.name + ("_total" if metric.kind == "counter" else "")] = metric.kind, labels
    return found


SERIES = _series()
VALUES = {
    ("penstock_state", "state"): set(STATES),
    ("penstock_state", "kind"): {"pipeline", "source", "stage", "sink", "worker"},
    ("penstock_alarm_state", "state"): {state.value for state in AlarmState},
    ("penstock_files", "state"): set(FILE_STATES),
    ("penstock_edge_ended_total", "account"): {account.label for account in Account},
    ("penstock_edge_latency_seconds", "quantile"): {quantile for quantile, _ in QUANTILES},
    ("penstock_stage_latency_seconds", "quantile"): {quantile for quantile, _ in QUANTILES},
}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.where}: {query.text[:40]}")
def test_every_name_and_label_exists(query: Query) -> None:
    selectors = query.selectors()
    assert selectors
    for selector in selectors:
        assert selector.name in SERIES, f"there is no {selector.name}"
        kind, labels = SERIES[selector.name]
        for label, value in selector.matchers:
            assert label in labels | PROMETHEUS, f"{selector.name} has no label {label}"
            if not value.startswith("$") and label not in PROMETHEUS:
                assert value in VALUES[selector.name, label]
        assert not selector.counted_by or kind == "counter", f"{selector.counted_by} of {selector.name}, a {kind}"
    all_labels = set.union(PROMETHEUS, *(SERIES[selector.name][1] for selector in selectors))
    assert query.grouped_by() <= all_labels
    kept = query.labels_kept()
    assert set(query.legend) <= (all_labels if kept is None else kept), "a label is shown that is not there any more"


def test_every_metric_is_on_the_board() -> None:
    shown = {selector.name for query in board_queries() for selector in query.selectors()}
    for metric in METRICS:
        names = {name for name in SERIES if name in (metric.name, f"{metric.name}_total", f"{metric.name}_count")}
        assert names & shown, f"{metric.name} is nowhere on the board"


def test_panels_lie_beside_each_other_and_are_told_apart() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, f"{panel['title']} lies upon another one"
        cells |= own
    identifiers = [panel["id"] for panel in board()["panels"]]
    assert len(identifiers) == len(set(identifiers))


def test_every_variable_that_is_used_is_declared_and_every_chosen_pipeline_is_asked() -> None:
    declared = {each["name"] for each in board()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", BOARD.read_text())) - {"__rate_interval", "__interval", "__all"}
    assert used == declared
    for query in board_queries():
        for selector in query.selectors():
            assert {("job", "$job"), ("instance", "$instance")} <= set(selector.matchers), query.text


def test_what_is_provisioned_fits_together() -> None:
    folder = BOARD.parent
    (source,) = yaml.safe_load((folder / "datasource.yml").read_text())["datasources"]
    (variable,) = (each for each in board()["templating"]["list"] if each["type"] == "datasource")
    assert source["type"] == variable["query"] == "prometheus"
    assert all(panel["datasource"]["uid"] == f"${{{variable['name']}}}" for panel in panels())
    (provider,) = yaml.safe_load((folder / "dashboards.yml").read_text())["providers"]
    assert provider["type"] == "file"
    scraped = yaml.safe_load((folder / "prometheus.yml").read_text())
    assert scraped["rule_files"] == ["alerts.yml"]
    (job,) = scraped["scrape_configs"]
    assert job["job_name"] == "penstock"
