"""Lanes of results: how one is named, which there are, and what comes by it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a worker's process needs none of the pipeline file's models, whose making takes 0.1 s
    from penstock.pipeline.spec import PipelineSpec

__all__ = ["lanes_of", "origins", "split_input"]

Inputs = Sequence[tuple[str, str]]
"""(lane, producer)"""


def split_input(written: str) -> tuple[str, str]:
    """Return the name and the lane of what is read; names have no dots.

    >>> split_input("rate.high"), split_input("rate")
    (('rate', 'high'), ('rate', ''))
    """
    name, _, lane = written.partition(".")
    return name, lane


def lanes_of(spec: "PipelineSpec", stage: str) -> tuple[str, ...]:
    """Return the lanes of a stage's results, high before low: its own, or those that its one input carries."""
    seen: set[str] = set()
    while stage in spec.stages and stage not in seen:
        seen.add(stage)
        inputs = spec.stages[stage].inputs
        if "" not in inputs:
            return tuple(inputs)
        stage = inputs[""]  # of one lane, which carries none, there is no stage
    return ()


def origins(stages: Mapping[str, Inputs], groups: Mapping[str, Sequence[str]], written: str) -> frozenset[str]:
    """Return the sources, joins and merges from which something comes by an input.

    Starts and ends have no lane; by the name of their stream or join they are told from those of other lanes.

    Parameters
    ----------
    stages
        The inputs of every stage, as its plan has them.
    groups
        The streams of every join and merge.
    written
        ``name`` or ``name.lane``.
    """
    name, lane = split_input(written)
    if name not in stages:
        behind = (origins(stages, groups, stream) for stream in groups.get(name, ()))
        return frozenset({name}).union(*behind)
    own = dict(stages[name])
    if not lane:
        producers = list(own.values())
    elif "" in own:  # it is one that the input carries
        producers = [f"{own['']}.{lane}"]
    else:
        producers = [own[lane]]
    return frozenset().union(*(origins(stages, groups, producer) for producer in producers))
