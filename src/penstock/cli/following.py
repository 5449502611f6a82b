"""What a program that stays says to the wish for another run: its options, or what is wrong with it."""

from typing import Any

__all__ = ["Following", "name_of_run"]


class Following:
    """Options of another run, from what somebody wants; refused before anything starts.

    Parameters
    ----------
    name
        Of the run, where none is asked for; by default it is made of the time.
    """

    def __init__(self, pipeline: Any, web: Any, name: str = "") -> None:  # a Pipeline, a WebService
        self._pipeline = pipeline
        self._web = web
        self._name = name
        self.options: dict[str, Any] = {}

    def __call__(self, wish: Any) -> None:  # a StartWish
        """Take a wish, or raise what is wrong with it."""
        import time

        from penstock.core import Timestamp
        from penstock.errors import CheckError, Problem
        from penstock.pipeline.map_check import read_map_for
        from penstock.services.build import trigger_maps_of
        from penstock.services.declared import declared_parameters

        plan = self._pipeline.plan()
        joins = {join.name: join for join in plan.joins.values() if join.by == "trigger-map"}
        maps = {}
        for name, document in wish.trigger_maps.items():
            if name not in joins:
                remedy = f"those that are: {', '.join(joins) or 'none'}"
                raise CheckError([Problem(where=name, text="is no join by trigger map", remedy=remedy)])
            maps[name] = read_map_for(joins[name], bytes(document))
        trigger_maps_of(plan, maps)
        declared_parameters(plan, wish.values, Timestamp(time.time_ns()))
        is_next = not wish.run or wish.existing == "next"
        run = name_of_run(plan, wish.run or self._name, self._web.run_names, is_next=is_next)
        self.options = {"run_id": run, "trigger_maps": maps, "values": wish.values}


def name_of_run(plan: Any, run: str, served: frozenset[str] = frozenset(), *, is_next: bool = False) -> str:  # a Plan
    """Return what a run may be called: no other that is recorded, or was served here, has the name.

    Parameters
    ----------
    run
        What is asked for; empty: it is made of the time when the run begins.
    served
        What the runs are called that were served here.
    is_next
        Take the next name that is free, rather than refuse.

    Raises
    ------
    StateError
        If another run has the name; it says which one is free.
    CheckError, StreamError
        If it is no name, or the store cannot be had.
    """
    from penstock.errors import CheckError, Problem, StateError
    from penstock.services.recording import log_address, recorded_names
    from penstock.services.run_names import free_name
    from penstock.streams.opened import opened_store

    if not run:
        return ""
    if not run.isprintable():
        remedy = "write letters, digits, spaces and signs"
        raise CheckError([Problem(where="run", text=f"{run!r} cannot be printed", remedy=remedy)])
    recorded = frozenset[str]()
    if plan.is_recorded:
        address = log_address(plan.beamtime, run)  # refused here if it is no name for a stream
        with opened_store(plan.store, plan.folder) as store:
            recorded = frozenset(recorded_names(store, plan))
    if run not in served | recorded:
        return run
    free = free_name(run, served | recorded)
    if is_next:
        return free
    why = f"is recorded already, in {address}" if run in recorded else "was shown here already"
    raise StateError(f"run {run} {why}; name another one, such as {free}, or leave the name out")
