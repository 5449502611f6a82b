"""The flow: who reads from whom, in which order things stand, and who stands downstream of whom.

It works on names alone; what is behind a name does not matter here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from penstock.pipeline.lanes import split_input
from penstock.pipeline.spec import JoinSpec, MergeSpec, PipelineSpec

__all__ = ["Flow", "counts_messages"]


@dataclass(frozen=True, slots=True)
class Flow:
    """The inputs of everything that has a name."""

    inputs: Mapping[str, tuple[str, ...]]
    """Producers by consumer, in the order written; those of a source are none."""

    @classmethod
    def of(cls, spec: PipelineSpec) -> "Flow":
        """Read the flow of a pipeline; names that do not exist are left out."""
        inputs: dict[str, tuple[str, ...]] = dict.fromkeys(spec.sources, ())
        for name, event in spec.events.items():
            inputs[name] = event.join if isinstance(event, JoinSpec) else event.merge
        inputs |= {
            name: tuple(split_input(written)[0] for written in stage.inputs.values())
            for name, stage in spec.stages.items()
        }
        inputs |= {name: (split_input(sink.input)[0],) for name, sink in spec.sinks.items()}
        return cls({name: tuple(i for i in those if i in inputs) for name, those in inputs.items()})

    def order(self, names: Sequence[str]) -> list[str]:
        """Return some names so that each stands behind what it reads from; as written where that does not matter."""
        depth: dict[str, int] = {}
        return sorted(names, key=lambda name: self._depth(name, depth))

    def _depth(self, name: str, known: dict[str, int]) -> int:
        if name not in known:
            known[name] = 0  # what stands in a cycle ends here
            known[name] = 1 + max((self._depth(each, known) for each in self.inputs[name]), default=0)
        return known[name]

    def cycle(self) -> list[str]:
        """Return the names of one cycle, the first again at its end; empty if there is none."""
        done: set[str] = set()
        for name in self.inputs:
            if found := self._walk(name, [], done):
                return found
        return []

    def _walk(self, name: str, path: list[str], done: set[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name][::-1]
        if name in done:
            return []
        for each in self.inputs[name]:
            if found := self._walk(each, [*path, name], done):
                return found
        done.add(name)
        return []

    def upstream(self, name: str) -> Iterator[str]:
        """Yield a name and everything it reads from, however indirectly."""
        seen, rest = {name}, [name]
        while rest:
            here = rest.pop()
            yield here
            new = [each for each in self.inputs.get(here, ()) if each not in seen]
            seen.update(new)
            rest += new


def counts_messages(spec: PipelineSpec, name: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether what an entry gives has the numbers of messages, from 1, and not those of events, from 0."""
    if name in seen:  # it stands in a circle, which is reported
        return False
    seen |= {name}
    if name in spec.stages:
        return counts_messages(spec, split_input(next(iter(spec.stages[name].inputs.values())))[0], seen)
    event = spec.events.get(name)
    if isinstance(event, MergeSpec):  # it numbers results of stages anew, as events
        return all(each not in spec.stages and counts_messages(spec, each, seen) for each in event.merge)
    return name in spec.sources
