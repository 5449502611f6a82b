"""Reducers that keep state in every way that can be captured, and in ways that cannot."""

import io
import operator
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import partial, wraps
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from penstock.views import ArrayView, Axis

SEEN: list[int] = []
"""What a reducer keeps in its module."""


class Mode(Enum):
    FIRST = 1
    LATER = 2


@dataclass
class Peak:
    position: float
    heights: list[int] = field(default_factory=list)


def above(value: int, limit: int) -> bool:
    return value > limit


class Plain:
    """Aliases, nested containers, views made late, numbers."""

    kinds = ("odd", "even")
    made: ClassVar[dict[str, int]] = {}

    def __init__(self, size: int = 5) -> None:
        self.rows: list[Any] = []
        self.energies = np.linspace(0.0, 1.0, size)
        self.map = ArrayView((size, 2), "i8", axes=(Axis("energy", "keV", self.energies), "x"), fill=-1)
        self.views: dict[str, Any] = {"map": self.map, "rows": self.rows, "inner": {"n": 0}}
        self.inner = self.views["inner"]
        self.last: deque[Any] = deque(maxlen=3)
        self.count = Counter({"odd": 0})
        self.by_kind: defaultdict[str, list[int]] = defaultdict(list)
        self.order: OrderedDict[int, str] = OrderedDict()
        self.seen = {(0, "a")}
        self.peak = Peak(position=0.5)
        self.heights = self.peak.heights
        self.raw = bytearray()
        self.total = np.zeros((size, 3), order="F")
        self.since: datetime | None = None
        self.test = partial(above, limit=3)
        self.combine = operator.add
        self.where = Path("/nowhere")
        self.mode = Mode.FIRST
        self.table: dict[str, Any] = {"add": self._add, "kinds": self.kinds}
        self.me = self

    def reduce(self, value: int) -> None:
        kind = self.kinds[value % 2]
        self.rows.append([kind, value])
        self.map.add((value % 5, 0), value)
        self.inner["n"] += 1
        self.last.append(self.rows[-1])
        self.count[kind] += 1
        self.by_kind[kind].append(value)
        self.order[value] = kind
        self.seen.add((value, kind))
        self.heights.append(value)
        self.raw.append(value % 256)
        self.table["add"](value)
        self.since = datetime(2026, 1, 1 + value % 20, tzinfo=UTC)
        if value % 7 == 3:
            view = ArrayView((None, 2), axes=("n", Axis("energy", "keV", self.energies[:2].copy())), title=f"{value}")
            self.views[f"late-{value}"] = view
            self.newest = view
            self.square = np.full((2, 3), value, order="F")
            self.fixed = np.arange(value)
            self.fixed.flags.writeable = False
        if hasattr(self, "newest"):
            self.newest.append((value, self.combine(value, 1)))
        self.rows = self.views["rows"] = self.rows if value % 11 else [*self.rows]
        self.made[kind] = self.made.get(kind, 0) + 1
        SEEN.append(value)

    def _add(self, value: int) -> None:
        self.total[value % 5] += value if self.test(value) else 1


class Slots:
    """No dictionary, and views made at each look."""

    __slots__ = ("__private", "view", "when")

    def __init__(self) -> None:
        self.view = ArrayView((3,))
        self.__private = 0

    @property
    def views(self) -> dict[str, Any]:
        return {"inner": {"view": self.view}, "n": self.__private, "copy": self.view.copy()}

    def reduce(self, value: int) -> None:
        self.__private += value
        self.view.add(value % 3, value)
        self.when = value


class Scaled:
    """A parameter."""

    def __init__(self, *, gain: float = 1.0) -> None:
        self.sum = 0.0
        self.views: dict[str, Any] = {}

    def reduce(self, value: int) -> None:
        self.sum += self.gain * value  # type: ignore[attr-defined]  # assigned
        self.views["sum"] = self.sum


class ScaledOtherwise(Scaled):
    """A parameter with a property, which keeps it under another name."""

    @property
    def gain(self) -> float:
        return self._half * 2

    @gain.setter
    def gain(self, gain: float) -> None:
        self._half = gain / 2


class OwnCheckpoint:
    """Saves itself what could not be captured, and makes views late."""

    def __init__(self, context: dict[str, Any]) -> None:
        self.lock = threading.Lock()
        self.view = ArrayView((2,), "i8")
        self.views: dict[str, Any] = {"view": self.view}
        self.hidden = np.zeros(3)
        context["made"] = context.get("made", 0) + 1

    def reduce(self, value: int) -> None:
        with self.lock:
            self.hidden[value % 3] += 1
            self.view.add(value % 2, value)
            self.views.setdefault("late", ArrayView((None,), "i8")).append(value)

    def checkpoint(self) -> dict[str, Any]:
        return {"hidden": self.hidden, "has_late": "late" in self.views}

    def restore(self, state: dict[str, Any]) -> None:
        self.hidden = state["hidden"]
        if state["has_late"]:
            self.views["late"] = ArrayView((None,), "i8")


def fold(state: dict[str, Any] | None, value: int) -> dict[str, Any]:
    state = state or {"sum": 0, "view": ArrayView((None,), "i8")}
    state["sum"] += value
    state["view"].append(value)
    return state


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        return function(*arguments)

    return call


@logged
def decorated(state: int | None, value: int) -> int:
    return (state or 0) * 3 + value


class Holder:
    """Holds one thing that cannot be captured."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.views: dict[str, Any] = {}

    def reduce(self, value: int) -> None:
        pass


class Sliced(Holder):
    def __init__(self) -> None:
        super().__init__(np.zeros(5))
        self.part = self.thing[1:]


class Windowed(Holder):
    def __init__(self) -> None:
        super().__init__(ArrayView((4,)))
        self.window = self.thing.array


class Remembers(Holder):
    """Keeps its state in a default value."""

    def __init__(self) -> None:
        super().__init__(None)

    def reduce(self, value: int, seen: list[int] = []) -> None:  # noqa: B006 - on purpose
        seen.append(value)


class WritesGlobals(Holder):
    def __init__(self) -> None:
        super().__init__(None)

    def reduce(self, value: int) -> None:
        global NUMBER  # noqa: PLW0603 - on purpose
        NUMBER = value


NUMBER = 0


class OwnDict(dict[str, Any]):
    views: ClassVar[dict[str, Any]] = {}

    def reduce(self, value: int) -> None:
        self["sum"] = self.get("sum", 0) + value


def counting() -> Holder:
    count = 0

    class Counting(Holder):
        def reduce(self, value: int) -> None:
            nonlocal count
            count += 1

    return Counting(None)


def listing() -> Holder:
    kept: list[int] = []

    class Listing(Holder):
        def reduce(self, value: int) -> None:
            kept.append(value)

    return Listing(None)


def uncapturable() -> dict[str, Any]:
    """Things no reducer may hold to be captured."""
    memory = bytearray(80)
    cycle: list[Any] = []
    for _ in range(100):
        cycle = [cycle]
    return {
        "a file": io.StringIO(),
        "a lock": threading.Lock(),
        "an object": Holder(3),
        "a lambda with a list": (lambda kept: lambda: kept)([]),
        "a default": lambda kept=[]: kept,
        "a method of a list": [].append,
        "an iterator": iter([1]),
        "a generator of chance": np.random.default_rng(0),
        "an array of objects": np.array([None]),
        "a masked array": np.ma.zeros(3),
        "a row of a table": np.zeros(3, "i4,i4")[0],
        "foreign memory": np.frombuffer(memory),
        "a subclass": type("Mine", (list,), {})(),
        "depth": cycle,
        "text that is none": "\ud800",
        "deep inside": {"a": [{"b": (1, {2: io.BytesIO()})}]},
    }
