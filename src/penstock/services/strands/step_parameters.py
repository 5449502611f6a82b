"""The parameters of a run of chains: what its steps declare, and the values that it begins with."""

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.core import Timestamp
from penstock.core.parameters import Parameters
from penstock.elements.user_code import validate
from penstock.services.strands.parts import StepPart
from penstock.services.strands.tallies import StepTally

__all__ = ["step_parameters"]


def step_parameters(
    parts: Iterable[StepPart | StepTally], given: Mapping[str, Any], started: Timestamp
) -> Parameters:  # fmt: skip
    """Return their history, which begins now; every step has been told its values.

    Parameters
    ----------
    given
        Start values that go before the pipeline's, by address or any shorter form that is clear.

    Raises
    ------
    ParameterError
        If a name is unknown or unclear, or a value is refused.
    """
    steps = [part.step for part in parts]
    declared = {p.address: p for step in steps for p in step.parameters}
    values = {p.address: step.value_of(p) for step in steps for p in step.parameters}
    found = Parameters(declared.values(), values, validate=validate, when=started)
    if given:
        values |= {found.find(name).address: value for name, value in given.items()}
        found = Parameters(declared.values(), values, validate=validate, when=started)
    for step in steps:
        step.apply(found.latest)
    return found
