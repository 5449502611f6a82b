"""A chain of steps as one call: an item goes through all of them or ends at one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.elements.instance import Instance

__all__ = ["chain_of", "own_parameters", "parameters_before"]


def chain_of(steps: Sequence[Instance]) -> Callable[[Any], Any]:
    """Return what takes an item through all steps; take it anew whenever parameters have changed."""
    calls = [step.call for step in steps]
    if len(calls) == 1:
        return calls[0]

    def chain(item: Any) -> Any:
        for call in calls:
            item = call(item)
            if item is None:
                return None
        return item

    return chain


def own_parameters(values: Mapping[str, Any], step: str) -> dict[str, Any]:
    """Return the start values that are for one step: those written ``step.name`` or just ``name``."""
    return {name.rpartition(".")[2]: value for name, value in values.items() if name.rpartition(".")[0] in ("", step)}


def parameters_before(values: Mapping[str, Any], step: str) -> Mapping[str, Any]:
    """Return the start values that are for one step before a worker, by name; without a step, those of the worker."""
    if not step:
        return values
    return {name.removeprefix(f"{step}."): value for name, value in values.items() if name.startswith(f"{step}.")}
