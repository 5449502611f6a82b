"""The shared memory of a plan: which pools there are, and how many slots each has.

Too few slots keep workers waiting; more than are in use leave the processor's cache. So a source gets what all who read
it can have in hand at once:

- each worker its leases (``prefetch``): one that it works on, and those that are ready behind it. With one lease in
  hand a worker would wait for the next, so two are reckoned at least. What its user code keeps of an earlier event
  takes the place of the one behind, and it still works. Of workers that come and go with the load, all that there may
  be are reckoned;
- a stage that only keeps events (``keep-events``) as many again for what waits behind its leases. More may lie in any
  slot that is to spare, and passes it by when these become few;
- who reads alone, such as a reducer or a sink, two for the same reason;
- one that the source fills;
- for a join, one that waits for the other streams, one that is held as a slow stream's latest value, and as many as may
  be overtaken (``reorder``): a large frame is a block, and so a slot, by itself.

Measured on two cores: two fast workers on 4 MB frames run alike with 3 to 9 slots; 16 workers that take 100 ms an event
reach 76 events/s with 8 slots, 154 with 16 and all 160 with 18. The rest is for what user code keeps.

Blocks of small messages are worked off within less than the processor's scheduler lets a process run, so more of them
must lie ready: two workers on blocks of 1 MB do 6.5 M events/s with 6 slots and 2 leases each, 6.8 M with 12 and 4.
"""

from dataclasses import dataclass
from typing import Literal

from penstock.elements.workers.keep_events import MOST_MB
from penstock.pipeline.plan import JoinPlan, MergePlan, Plan, StagePlan

__all__ = [
    "SLOT_BYTES",
    "MemoryPlan",
    "PoolPlan",
    "has_too_few_slots",
    "kept_bytes",
    "memory_plan",
    "result_slots_for",
    "slots_for",
    "slots_needed",
    "small_slots_for",
    "waiting_slots",
]

SLOT_BYTES = (1 << 20) + (256 << 10)
"""Of a slot to begin with: a block closes at 1 MB; the columns of its at most 4096 messages lie beside."""
LEAST = 4
SMALL = 12
"""Slots at least of the pool to begin with, 15 MB; a pool of larger slots has no more than are needed."""
BEHIND_LEASES = 4
"""Slots for results that a worker has beside one for each lease: results are on their way and with the reducer."""
MOST_OVERTAKEN = 64
"""Slots at most for what may be overtaken: small messages, of which more may be, share their blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """The pools of one source, or of one stage's workers."""

    owner: str
    """Name of the source or stage."""
    role: Literal["source", "stage"]
    pools: int
    """One of a source, one for each worker of a stage."""
    slots: int
    """Of each pool to begin with."""
    larger_slots: int
    """Of each pool that follows when a frame, or a result, is larger than a slot."""
    slot_bytes: int = SLOT_BYTES
    """Until something larger comes; then a new generation of the pool has larger slots."""

    @property
    def nbytes(self) -> int:
        """Of all its pools."""
        return self.pools * self.slots * self.slot_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """All pools of a plan."""

    pools: tuple[PoolPlan, ...]

    @property
    def nbytes(self) -> int:
        """Of all pools, before anything larger than a slot has come."""
        return sum(pool.nbytes for pool in self.pools)


def memory_plan(plan: Plan) -> MemoryPlan:
    """Return every pool that a plan has when it runs in processes.

    A worker makes its pool with the first result that is too large to travel in a descriptor; it is counted all the
    same.
    """
    sources = [
        PoolPlan(
            owner=name, role="source", pools=1, slots=small_slots_for(plan, name), larger_slots=slots_for(plan, name)
        )
        for name in plan.sources
    ]
    stages = [
        PoolPlan(owner=stage.name, role="stage", pools=stage.most_workers, slots=slots, larger_slots=slots)
        for stage in plan.stages.values()
        if stage.kind != "reduce" and not stage.keeps_events and (slots := result_slots_for(stage))
    ]
    return MemoryPlan(pools=(*sources, *stages))


def kept_bytes(plan: Plan) -> dict[str, int]:
    """Return how many bytes stages may take at most that keep their last events; it is taken as events come."""
    return {
        name: int(1e6 * stage.elements[0].arguments.get("most_mb", MOST_MB))
        for name, stage in plan.stages.items()
        if stage.keeps_events
    }


def slots_for(plan: Plan, source: str) -> int:
    """Return how many slots a source's pool of larger slots has: those asked for, otherwise those that are needed."""
    return plan.sources[source].slots or slots_needed(plan, source)


def small_slots_for(plan: Plan, source: str) -> int:
    """Return how many slots the pool has with which a source begins, of ``SLOT_BYTES`` each."""
    return plan.sources[source].slots or max(SMALL, slots_needed(plan, source))


def slots_needed(plan: Plan, source: str) -> int:
    """Return with how many slots nobody who reads from a source waits for a free one, other than by being slow."""
    names = _names(plan, source)
    stages = [stage for stage in plan.stages.values() if any(producer in names for _, producer in stage.inputs)]
    in_hand = sum(stage.most_workers * max(stage.prefetch, 2) if stage.kind == "map" else 2 for stage in stages)
    in_hand += sum(waiting_slots(stage) for stage in stages)
    in_hand += sum(2 for sink in plan.sinks.values() if sink.input in names)
    waiting = max((_waiting(join, names) for join in plan.joins.values()), default=0)
    return max(LEAST, in_hand + waiting + 1)


def waiting_slots(stage: StagePlan) -> int:
    """Return how many slots there are for what waits for a stage that keeps events, beside its leases."""
    return max(stage.prefetch, 2) if stage.keeps_events else 0


def has_too_few_slots(plan: Plan) -> bool:
    """Whether a source was given fewer slots than are needed."""
    return any(source.slots and source.slots < slots_needed(plan, name) for name, source in plan.sources.items())


def result_slots_for(stage: StagePlan) -> int:
    """Return how many slots each pool of a stage's results has."""
    return stage.prefetch + BEHIND_LEASES


def _names(plan: Plan, source: str) -> set[str]:
    """Return the names under which a source's messages are read: its own, and those of joins and merges."""
    found, rest = {source}, [source]
    groups: tuple[JoinPlan | MergePlan, ...] = (*plan.joins.values(), *plan.merges.values())
    while rest:
        here = rest.pop()
        new = {group.name for group in groups if here in group.streams} - found
        found |= new
        rest += new
    return found


def _waiting(join: JoinPlan, names: set[str]) -> int:
    """Return how many slots of a stream of these names wait in a join."""
    if not any(stream in names for stream in join.streams):
        return 0
    held = any(stream in names for stream in join.options.get("hold", ()))
    return 1 + held + min(int(join.options.get("reorder", 0)), MOST_OVERTAKEN)
