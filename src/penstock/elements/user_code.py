"""User code, seen from outside: what a target declares, what is wrong with it, and how to make it ready for a run.

Users write plain functions and small classes, without any base class of ours:

- a *map* is a function ``f(event, frozen arguments, *, parameters)`` that returns the event's result or ``None``, or
  a class with ``process(event)``;
- a *reduce* is a class with ``reduce(value)`` and an attribute ``views``, or a function ``fold(state, value)``;
- a *step* is a function ``f(item)`` that returns the next item or ``None``, or a class with ``__call__``.

Classes may have the hooks ``start(event)``, ``end(event)``, ``tick(now)`` with ``tick_s``, and ``close()``; workers
also ``process_batch(events)``, reducers ``reduce_batch(results)``. A function is called with items if its first
argument is left open; if everything it requires is given, it makes the thing that is called. Keyword-only annotated
arguments with defaults are parameters; objects find them as attributes. An argument named ``context`` gets the
dictionary that survives runs.

What is annotated ``Result`` gets number, value and revision instead of the value alone.
"""

from collections.abc import Sequence

from penstock.elements.code_problems import Receives, problems_of
from penstock.elements.parameter_types import validate
from penstock.elements.reducer import Reducer
from penstock.elements.signature import CodeKind, parameters_of, split_arguments
from penstock.elements.step import Step
from penstock.elements.worker import Worker

__all__ = [
    "CodeKind",
    "Receives",
    "Reducer",
    "Step",
    "Worker",
    "parameters_of",
    "problems_of",
    "split_arguments",
    "step_names",
    "validate",
]


def step_names(elements: Sequence[str]) -> list[str]:
    """Return the names by which the elements of a stage are addressed: the last word, numbered where it is repeated.

    >>> step_names(["threshold", "fluorescence:FitSpectrum", "threshold"])
    ['threshold', 'FitSpectrum', 'threshold_2']
    """
    seen: dict[str, int] = {}
    names = []
    for element in elements:
        name = element.rpartition(":")[2].rpartition(".")[2]
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names
