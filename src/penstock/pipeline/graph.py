"""Draw a plan with characters, for a terminal: the flow with lines, and below it a line about each room."""

from collections.abc import Mapping
from typing import Final

from penstock.pipeline.graph_layout import Layout, Point, lay_out
from penstock.pipeline.plan import Element, JoinPlan, Plan, SinkPlan, StagePlan
from penstock.pipeline.registry import PlannedTarget

__all__ = ["details", "draw_text"]

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES: Final = {
    _LEFT: "─", _RIGHT: "─", _LEFT | _RIGHT: "─", _UP: "│", _DOWN: "│", _UP | _DOWN: "│",
    _DOWN | _RIGHT: "┌", _DOWN | _LEFT: "┐", _UP | _RIGHT: "└", _UP | _LEFT: "┘",
    _UP | _DOWN | _RIGHT: "├", _UP | _DOWN | _LEFT: "┤", _DOWN | _LEFT | _RIGHT: "┬", _UP | _LEFT | _RIGHT: "┴",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}  # fmt: skip


def draw_text(plan: Plan) -> str:
    """Return the drawing; conditions (``where``) are written in the lines below it, not drawn."""
    layout = lay_out(plan)
    picture = _Picture(plan, layout)
    about = details(plan)
    width = max(map(len, about), default=0)
    lines = [f"{name:{width}}  {'; '.join(lines)}" for name, lines in about.items()]
    return "\n".join([*picture.draw(), "", *lines]) + "\n"


def details(plan: Plan) -> Mapping[str, list[str]]:
    """Return by name what is worth saying of each room, a few words a line."""
    found = {name: ["source", _element(source.element)] for name, source in plan.sources.items()}
    found |= {name: ["join", f"by {_by(join)}"] for name, join in plan.joins.items()}
    found |= {name: ["merge"] for name in plan.merges}
    found |= {name: _stage(stage) for name, stage in plan.stages.items()}
    return found | {name: _sink(sink) for name, sink in plan.sinks.items()}


def _element(element: Element) -> str:
    return f"{element.name} (not built yet)" if isinstance(element.target, PlannedTarget) else element.name


def _by(join: JoinPlan) -> str:
    origin = join.options.get("file") or join.options.get("rule")
    return f"{join.by} {origin}" if isinstance(origin, str) else join.by


def _stage(stage: StagePlan) -> list[str]:
    names = [_element(element) for element in stage.code]
    title = f"{stage.kind} {many}" if (many := _many(stage)) else stage.kind
    if stage.tags != {"generic"}:
        title += f" [{', '.join(sorted(stage.tags))}]"
    lanes = [f"{lane}: {producer}" for lane, producer in stage.inputs if lane]
    return [title, *lanes, " → ".join(names)]


def _many(stage: StagePlan) -> str:
    """Return how many workers a stage has; empty if there is one."""
    if stage.most_workers == 1:
        return ""
    return f"×{stage.workers}" if stage.limits is None else f"×{stage.workers}–{stage.most_workers}"


def _sink(sink: SinkPlan) -> list[str]:
    when = {"item": "", "every": f"every {sink.every_s:g} s", "end": "at the end", "change": "at every change"}[
        sink.when
    ]
    conditions = [f"lane {sink.lane}" if sink.lane else "", f"where {'.'.join(sink.where)}" if sink.where else "", when]
    return ["sink", _element(sink.element), *filter(None, conditions)]


class _Picture:
    """A grid of characters: rooms are words, lines are kept as directions until they are written."""

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self._layout = layout
        self._edges = [edge for edge in layout.edges if not edge.is_condition]
        many = {stage.name: f"{stage.name} {_many(stage)}".strip() for stage in plan.stages.values()}
        self._labels = {n: f" {many.get(n, n)} " for n in details(plan)}
        self._lines: dict[tuple[int, int], int] = {}
        self._words: dict[tuple[int, int], str] = {}

    def draw(self) -> list[str]:
        at = 0
        for layer in self._layout.layers:
            points = [point for point in layer if not point.is_condition]
            width = max((len(self._labels[point.name]) for point in points if not point.is_passage), default=1)
            for point in points:
                self._room(point, at, width)
            at = self._channel(points, at + width)
        height = max(self._layout.rows.values(), default=0) + 1
        lines = ["".join(self._at(row, column) for column in range(at)).rstrip() for row in range(height)]
        return [line for line in lines if line.strip(" │")]

    def _at(self, row: int, column: int) -> str:
        return self._words.get((row, column)) or _LINES.get(self._lines.get((row, column), 0), " ")

    def _room(self, point: Point, at: int, width: int) -> None:
        row = self._layout.rows[point]
        label = "" if point.is_passage else self._labels[point.name]
        for offset, character in enumerate(label):
            self._words[row, at + offset] = character
        if point.is_passage or any(edge.start == point for edge in self._edges):
            self._across(row, at + len(label), at + width)

    def _channel(self, points: list[Point], at: int) -> int:
        """Draw the lines to the next layer, each start on a track of its own; return where that layer begins."""
        starts = [point for point in points if any(edge.start == point for edge in self._edges)]
        if not starts:
            return at
        width = 2 * len(starts) + 3
        for index, start in enumerate(starts):
            track = at + 1 + 2 * index
            rows = [self._layout.rows[edge.end] for edge in self._edges if edge.start == start]
            own = self._layout.rows[start]
            self._across(own, at, track, ends=True)
            for row in rows:
                self._across(row, track, at + width, begins=True)
            self._down(track, min([own, *rows]), max([own, *rows]))
        return at + width

    def _across(self, row: int, first: int, last: int, *, begins: bool = False, ends: bool = False) -> None:
        for column in range(first, last + ends):
            is_first, is_last = begins and column == first, ends and column == last
            self._add(row, column, (0 if is_first else _LEFT) | (0 if is_last else _RIGHT))

    def _down(self, column: int, first: int, last: int) -> None:
        for row in range(first, last + 1):
            self._add(row, column, (_UP if row > first else 0) | (_DOWN if row < last else 0))

    def _add(self, row: int, column: int, directions: int) -> None:
        self._lines[row, column] = self._lines.get((row, column), 0) | directions
