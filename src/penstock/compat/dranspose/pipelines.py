"""Users' classes and streams as a pipeline: one join by trigger map, workers, a reducer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penstock.compat.dranspose.lookup import written
from penstock.compat.dranspose.worker_class import INDEX
from penstock.core.map_reader import read_parts
from penstock.core.trigger_map import TriggerMap
from penstock.pipeline.entries import Join, Map, Reduce, Sink, Source, Use
from penstock.pipeline.pipeline import Pipeline

__all__ = ["DUMP", "REDUCE", "SCAN", "WAIT_S", "WORK", "Pool", "contexts_of", "pipeline_of", "replay_map"]

HERE: Final = "penstock.compat.dranspose"
DUMP: Final = "dump"
"""The stream that a replay has."""
SCAN: Final = "scan"
WAIT_S: Final = 60.0
"""How long a stream may be silent while others wait for it: dranspose waits for ever, and a line may be told at its
end."""
WORK: Final = "work"
REDUCE: Final = "reduce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Workers alike."""

    use: str
    """``module:Class``."""
    workers: int = 2
    tags: tuple[str, ...] = ("generic",)
    name: str = WORK
    """Of its stage."""
    arguments: Mapping[str, Any] | None = None
    """Of one of our own classes, which is not to be adapted."""


def pipeline_of(
    sources: Mapping[str, Source],
    pools: Sequence[Pool],
    reducer: str = "",
    *,
    folder: Path | str = ".",
    values: Mapping[str, Mapping[str, Any]] | None = None,
    sinks: Mapping[str, Sink] | None = None,
    worker_name: str = "",
    start_files: Mapping[str, str] | None = None,
    wait_s: float = WAIT_S,
) -> Pipeline:
    """Return the pipeline.

    Parameters
    ----------
    pools
        The results of the first go to the reducer.
    reducer
        ``module:Class``; empty: none.
    values
        Start values of parameters, by stage.
    start_files
        By pool, where the start of the scan, event 0, is kept for workers that come later; by default nowhere.
    wait_s
        How long a stream may be silent while others wait for it, in s.
    worker_name
        How names of the first pool's workers begin; by default with ``Worker`` and the host, as dranspose names them.
        Those of further pools are called as the pool is, with a number if there are several.
    """
    users = [pool.use for pool in pools if pool.arguments is None] + ([reducer] if reducer else [])
    given = values or {}
    stages: dict[str, Map | Reduce] = {}
    for k, pool in enumerate(pools):
        own = pool.arguments
        if own is None:
            others = [name for name in dict.fromkeys(users) if name != pool.use]
            start_file = (start_files or {}).get(pool.name, "")
            own = {
                "workers": pool.workers, "tags": list(pool.tags), "others": others,
                "start_file": start_file, "name": pool.name if k else worker_name,
                "is_alone": bool(k) and pool.workers == 1,
            }  # fmt: skip
        use = Use(written("worker", pool.use) if pool.arguments is None else pool.use, **own)
        stages[pool.name] = Map(
            use, source=SCAN, workers=pool.workers, tags=list(pool.tags), on_error="skip",
            parameters=given.get(pool.name) or None,
        )  # fmt: skip
    if reducer:
        others = [name for name in dict.fromkeys(users) if name != reducer]
        use = Use(written("reducer", reducer), others=others)
        stages[REDUCE] = Reduce(use, source=pools[0].name, on_error="skip", parameters=given.get(REDUCE) or None)
    by = {"trigger-map": {"wrap": False}}
    return Pipeline(
        name="dranspose", sources=sources, events={SCAN: Join(*sources, by=by, wait_s=wait_s)}, stages=stages,
        sinks=sinks, folder=folder,
    )  # fmt: skip


def contexts_of(pools: Sequence[Pool]) -> dict[str, list[dict[str, Any]]]:
    """Return the contexts that tell each worker which one it is."""
    return {pool.name: [{INDEX: k} for k in range(pool.workers)] for pool in pools}


def replay_map() -> TriggerMap:
    """Return the map of a replay: every worker gets the first event, and any one each of the others."""
    parts = read_parts({"first": {DUMP: [[{"tags": ["generic"]}]]}, "rest": {DUMP: {"events": 1}}})
    return TriggerMap(parts, ["first", "rest"], wrap=False, is_endless=True)
