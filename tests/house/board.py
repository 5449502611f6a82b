"""Reads what the board for Grafana and the alerts of Prometheus ask, by a parser of PromQL."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

__all__ = ["BOARD", "Query", "Selector", "alert_queries", "board", "board_queries", "panels"]

DEPLOY = Path(__file__).parents[2] / "deploy" / "grafana"
BOARD = DEPLOY / "penstock.json"
LEGEND = re.compile(r"{{\s*(\w+)\s*}}")
COUNTING = ("rate", "increase", "irate", "resets")


@dataclass(frozen=True)
class Selector:
    """One metric that is asked for."""

    name: str
    matchers: tuple[tuple[str, str], ...]
    """Labels with the value that is wanted, a pattern or a text."""
    counted_by: str
    """The function around it that is for counters; empty if there is none."""


@dataclass(frozen=True)
class Query:
    """One question."""

    where: str
    text: str
    legend: tuple[str, ...] = ()
    """Labels that are shown of the answer."""

    @property
    def expression(self) -> promql.Expr:
        """What Prometheus would be asked, with Grafana's variables filled in."""
        return promql.parse(self.text.replace("$__rate_interval", "1m").replace("$__interval", "1m"))

    def selectors(self) -> list[Selector]:
        """Every metric in it."""
        return list(_selectors(self.expression, ""))

    def labels_kept(self) -> set[str] | None:
        """Labels that the outermost aggregation leaves; ``None`` if there is none, and all are left."""
        expression: Any = self.expression
        while isinstance(expression, promql.BinaryExpr | promql.ParenExpr):
            expression = expression.lhs if isinstance(expression, promql.BinaryExpr) else expression.expr
        if not isinstance(expression, promql.AggregateExpr):
            return None
        return set(expression.modifier.labels) if expression.modifier is not None else set()

    def grouped_by(self) -> set[str]:
        """Every label that anything in it is grouped by."""
        found: set[str] = set()

        def visit(expression: promql.Expr) -> bool:
            if isinstance(expression, promql.AggregateExpr) and expression.modifier is not None:
                found.update(expression.modifier.labels)
            return True

        promql.walk(self.expression, visit)
        return found


def board() -> dict[str, Any]:
    """The board as Grafana reads it."""
    return dict(json.loads(BOARD.read_text()))


def panels() -> list[dict[str, Any]]:
    """Its panels, without the headings of rows."""
    return [each for each in board()["panels"] if each["type"] != "row"]


def board_queries() -> Iterator[Query]:
    """Yield what the panels and the annotations ask."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(panel["title"], target["expr"], tuple(LEGEND.findall(target["legendFormat"])))
    for each in board()["annotations"]["list"]:
        yield Query(each["name"], each["expr"])


def alert_queries() -> Iterator[Query]:
    """Yield what the alerts ask."""
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            shown = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
            yield Query(rule["alert"], rule["expr"], tuple(shown))


def _selectors(expression: Any, counted_by: str) -> Iterator[Selector]:
    match expression:
        case promql.VectorSelector():
            matchers = tuple((each.name, each.value) for each in expression.matchers.matchers)
            yield Selector(expression.name or "", matchers, counted_by)
        case promql.MatrixSelector():
            yield from _selectors(expression.vector_selector, counted_by)
        case promql.Call():
            name = expression.func.name
            for each in expression.args:
                yield from _selectors(each, name if name in COUNTING else counted_by)
        case promql.BinaryExpr():
            yield from _selectors(expression.lhs, counted_by)
            yield from _selectors(expression.rhs, counted_by)
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _selectors(expression.expr, counted_by)
        case promql.NumberLiteral() | promql.StringLiteral():
            pass
        case other:
            raise AssertionError(f"{type(other).__name__} is not known here")
