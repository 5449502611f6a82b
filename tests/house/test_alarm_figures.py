"""The page of alarms names every figure that a condition may read."""

from pathlib import Path

from penstock.monitor.metric_values import METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "alarms.md").read_text()


def test_every_figure_is_on_the_page_with_its_meaning() -> None:
    wanted = [f"| `{name}` | {text} |" for figures in METRICS.values() for name, text in figures.items()]
    assert [row for row in wanted if row not in PAGE] == []
