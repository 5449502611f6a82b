"""A process of rta-dp as a pipeline: a source for each lane, a stage for each analysis, a sink for each kind of result.

Nothing is imported, opened or run; what the entries mean is said by the elements that they name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.compat.rtadp.block import Analysis, Block
from penstock.compat.rtadp.config_lookup import get_custom_config
from penstock.elements.network_address import is_local
from penstock.errors import Problem
from penstock.pipeline.document import Place, Trail

__all__ = ["CONTROL", "HERE", "STEP", "Converted", "convert"]

HERE: Final = "penstock.compat.rtadp"
CONTROL: Final = "control"
"""The name of the source that takes commands."""
STEP: Final = "Worker"
"""The name of the step in which users' workers are."""
_FLOW_AS: Final = {"string": "text", "filename": "text", "binary": "bytes"}
_DATA_KEY: Final = {"low": "data_lp_socket", "high": "data_hp_socket"}
_RESULT_KEY: Final = {"low": "result_lp_socket", "high": "result_hp_socket"}
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(slots=True)
class Converted:
    """A process as a pipeline."""

    tree: dict[str, Any] = field(default_factory=dict)
    places: dict[Trail, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def convert(
    block: Block,
    process: Mapping[str, Any],
    managers: Sequence[int] | None = None,
    *,
    has_receivers: bool = False,
) -> Converted:
    """Convert a process.

    Parameters
    ----------
    block
        As read.
    process
        How entries name it, as ``Process.written``.
    managers
        The analyses there are, if users' classes have been asked; by default all that the configuration has.
    has_receivers
        Whether users' classes receive ``custom`` data themselves; otherwise ``HOST:PORT:TOPIC`` is read from Kafka.
    """
    return _Converter(block, process, managers, has_receivers=has_receivers).converted()


class _Converter:
    def __init__(
        self, block: Block, process: Mapping[str, Any], managers: Sequence[int] | None, *, has_receivers: bool
    ) -> None:
        self._block = block
        self._has_receivers = has_receivers
        self._lanes = block.lanes
        self._process = dict(process)
        numbers = range(len(block.analyses)) if managers is None else managers
        self._analyses = [(n, block.analyses[n]) for n in numbers if n < len(block.analyses)]
        self._names: set[str] = {CONTROL}
        self._out = Converted()
        self._sources: dict[str, Any] = {}
        self._stages: dict[str, Any] = {}
        self._sinks: dict[str, Any] = {}

    def converted(self) -> Converted:
        self._look_at_topics()
        shared = {lane: self._shared_source(lane) for lane in self._lanes if not self._has_queues(lane)}
        watched = [self._analysis(number, analysis, shared) for number, analysis in self._analyses]
        data = list(self._sources)
        control = {
            "use": f"{HERE}:Control",
            "process": self._process,
            "command": self._block.command,
            "monitoring": self._block.monitoring,
            "analyses": watched,
            "step": STEP,
            "data": data,
        }
        self._sources = {CONTROL: control, **self._sources}
        self._note(("sources", CONTROL), "command_socket")
        tree = {"name": _fit(self._block.name), "sources": self._sources, "stages": self._stages, "sinks": self._sinks}
        self._out.tree = {key: value for key, value in tree.items() if value}
        return self._out

    def _has_queues(self, lane: str) -> bool:
        """Whether data of a lane come out of queues, one before each analysis, into which users' receivers put them."""
        return self._block.sockets == "custom" and (self._has_receivers or self._topic(lane) is None)

    def _look_at_topics(self) -> None:
        """Leave a lane out that would read the other's topic once more."""
        block = self._block
        if block.sockets != "custom" or self._has_receivers:
            return
        for lane in self._lanes:
            if self._topic(lane) is None:
                text = f'"{block.address(lane)}" is no HOST:PORT:TOPIC of Kafka, and no class is named that receives'
                self._report(_DATA_KEY[lane], text, "name one with --use that overrides start_service_threads")
        if len(self._lanes) == 2 and block.low == block.high:
            self._lanes = ("low",)
            text = "is the topic of both lanes; it is read once, in the low one"
            self._report("data_hp_socket", text, 'write another topic, or "none"')

    def _report(self, key: str, text: str, remedy: str) -> None:
        place = self._block.places.get((self._block.index, key), Place())
        self._out.problems.append(
            Problem(
                where=f"{self._block.name}.{key}", text=text, remedy=remedy, file=place.file, line=place.line,
                level="warning",
            )
        )  # fmt: skip

    def _topic(self, lane: str) -> list[str] | None:
        return get_custom_config(self._block.address(lane))

    def _shared_source(self, lane: str) -> str:
        block, address = self._block, self._block.address(lane)
        name = self._free(lane)
        self._note(("sources", name), _DATA_KEY[lane])
        if block.sockets == "custom":
            broker, topic = self._topic(lane) or ("", "")
            self._sources[name] = {
                "use": f"{HERE}:Topic", "process": self._process, "lane": lane, "flow": block.flow,
                "brokers": broker, "topics": topic,
            }  # fmt: skip
            return name
        end = {"bind": _bindable(address)} if block.sockets == "pushpull" else {"connect": address}
        self._sources[name] = {
            "use": f"{HERE}:Data", "process": self._process, "lane": lane, "flow": block.flow, **end,
            **(_open(address) if "bind" in end else {}),
        }  # fmt: skip
        return name

    def _analysis(self, number: int, analysis: Analysis, shared: Mapping[str, str]) -> dict[str, Any]:
        block = self._block
        stage = self._free(_fit(analysis.name))
        trail = ("manager", number)
        self._note(("stages", stage), *trail, "name")
        lanes = {lane: shared.get(lane) or self._queued(number, lane, stage) for lane in self._lanes}
        self._stages[stage] = {
            "from": lanes if len(lanes) > 1 else next(iter(lanes.values())),
            "steps": [{f"{HERE}:{STEP}": {"process": self._process, "manager": number, "result": analysis.flow}}],
            "workers": analysis.workers,
            "run_in": block.processing,
            "on_error": "dead_letter",
            **({"when_full": "drop_newest"} if block.drops else {}),
        }
        sinks = {
            lane: self._sink(analysis, lane, stage, has_lanes=len(lanes) > 1)
            for lane in self._lanes
            if analysis.address(lane)
        }
        return {
            "stage": stage, "name": analysis.name, "group": analysis.group, "workers": analysis.workers,
            "lanes": lanes, "sinks": sinks,
        }  # fmt: skip

    def _queued(self, number: int, lane: str, stage: str) -> str:
        name = self._free(f"{stage}_{lane}_queue")
        self._note(("sources", name), _DATA_KEY[lane])
        self._sources[name] = {"use": f"{HERE}:Queued", "process": self._process, "manager": number, "lane": lane}
        return name

    def _sink(self, analysis: Analysis, lane: str, stage: str, *, has_lanes: bool) -> str:
        address = analysis.address(lane)
        name = self._free(f"{stage}_{lane}")
        self._note(("sinks", name), *analysis.trail[1:], _RESULT_KEY[lane])
        is_pub = analysis.sockets == "pubsub"
        end = {"bind": _bindable(address), **_open(address)} if is_pub else {"connect": address}
        self._sinks[name] = {
            "use": "zmq-pub" if is_pub else "zmq-push",
            "from": f"{stage}.{lane}" if has_lanes else stage,
            **end,
            "encoding": _FLOW_AS[analysis.flow],
        }
        return name

    def _free(self, name: str) -> str:
        found = next(each for n in range(1, 1000) if (each := name if n == 1 else f"{name}_{n}") not in self._names)
        self._names.add(found)
        return found

    def _note(self, trail: Trail, *written: Any) -> None:
        """Note where an entry stands in the configuration, or what holds it."""
        places, whole = self._block.places, (self._block.index, *written)
        for length in range(len(whole), 0, -1):
            if place := places.get(whole[:length]):
                self._out.places[trail] = place
                return


def _fit(name: str) -> str:
    """Return a name such as entries of a pipeline have."""
    return _UNFIT.sub("_", name) or "process"


def _bindable(address: str) -> str:
    return address.replace("tcp://*:", "tcp://0.0.0.0:")


def _open(address: str) -> dict[str, Any]:
    """Return what lets others in, where the configuration itself names an address that they can reach."""
    kind, _, rest = _bindable(address).partition("://")
    is_open = kind == "tcp" and not is_local(rest.rpartition(":")[0])
    return {"open_to_network": True} if is_open else {}
