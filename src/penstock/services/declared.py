"""The parameters of a plan and their start values, read from signatures without making any user code."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock.core.parameter import Parameter
from penstock.core.parameters import Parameters
from penstock.core.timestamp import Timestamp
from penstock.elements.signature import parameters_of
from penstock.elements.user_code import step_names, validate
from penstock.pipeline.plan import Plan, StagePlan
from penstock.services.chain import own_parameters, parameters_before

__all__ = ["declared_parameters"]


def declared_parameters(plan: Plan, given: Mapping[str, Any], started: Timestamp) -> tuple[Parameters, dict[str, Any]]:
    """Return the history of a plan's parameters, and by address the start values that were given for the run.

    Parameters
    ----------
    given
        Start values that go before the pipeline's, by address or any shorter form that is clear.

    Raises
    ------
    ParameterError
        If a name is unknown or unclear, or a value is refused.
    """
    declared: dict[str, Parameter] = {}
    values: dict[str, Any] = {}
    for parameter, value in _all(plan):
        declared[parameter.address] = parameter
        values[parameter.address] = value
    found = Parameters(declared.values(), values, validate=validate, when=started)
    own = {found.find(name).address: value for name, value in given.items()}
    if own:
        found = Parameters(declared.values(), values | own, validate=validate, when=started)
    return found, own


def _all(plan: Plan) -> Iterator[tuple[Parameter, Any]]:
    for stage in plan.stages.values():
        yield from _of_stage(stage)


def _of_stage(stage: StagePlan) -> Iterator[tuple[Parameter, Any]]:
    is_chain = stage.kind == "steps"
    before = step_names([element.name for element in stage.prepare])
    names = step_names([element.name for element in stage.elements]) if is_chain else [*before, ""]
    for element, step in zip(stage.code, names, strict=True):
        given = own_parameters(stage.parameters, step) if is_chain else parameters_before(stage.parameters, step)
        for parameter in parameters_of(element.target, stage=stage.name, step=step):
            value = parameter.default
            for values in (element.arguments, given):
                for key in (parameter.name, parameter.address):
                    value = values.get(key, value)
            yield parameter, value
