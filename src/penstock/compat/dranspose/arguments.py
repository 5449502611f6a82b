"""The parameters of users' classes: what they describe as our typed parameters, and back as they are used to them."""

import hashlib
from collections.abc import Iterable, Mapping
from inspect import Parameter as Argument
from typing import Annotated, Any, Final
from uuid import NAMESPACE_OID, uuid5

from penstock.compat.dranspose.served.parameters import ParameterBase
from penstock.compat.dranspose.served.protocol import WorkParameter
from penstock.errors import CheckError, Problem

__all__ = ["UNDESCRIBED", "arguments_of", "described_by", "digest", "to_name", "work_parameters"]

UNDESCRIBED: Final = "undescribed"
"""The parameter that holds, as bytes by name, what no class describes, and what only others do."""


def described_by(*users: type) -> dict[str, ParameterBase]:
    """Return what classes describe, by name; of two that describe one, the first.

    Raises
    ------
    CheckError
        If ``describe_parameters`` raises, or gives something else.
    """
    found: dict[str, ParameterBase] = {}
    for user in users:
        describe = getattr(user, "describe_parameters", None)
        if describe is None:
            continue
        try:
            listed = list(describe())
        except Exception as error:  # user code may raise anything
            raise CheckError([_problem(user, f"raised {type(error).__name__}: {error}")]) from error
        for each in listed:
            if not isinstance(each, ParameterBase):
                raise CheckError([_problem(user, f"gives {each!r:.80}")])
            found.setdefault(each.name, each)
    return found


def to_name(name: str) -> str:
    """Return a name as Python can have it for an argument.

    >>> to_name("roi.start"), to_name("2theta")
    ('roi_start', 'p_2theta')
    """
    plain = "".join(letter if letter.isidentifier() or letter.isdigit() else "_" for letter in name)
    return plain if plain.isidentifier() else f"p_{plain}"


def arguments_of(described: Mapping[str, ParameterBase]) -> list[Argument]:
    """Return what a class that takes these parameters has for arguments."""
    found = [
        Argument(
            to_name(name), Argument.KEYWORD_ONLY, default=each.default,
            annotation=Annotated[type(each).kind, each.description or name],
        )
        for name, each in described.items()
    ]  # fmt: skip
    kept = Annotated[dict[str, bytes], "what this class does not describe, by name"]
    return [*found, Argument(UNDESCRIBED, Argument.KEYWORD_ONLY, default={}, annotation=kept)]


def work_parameters(
    own: Mapping[str, ParameterBase], others: Mapping[str, ParameterBase], values: Mapping[str, Any]
) -> dict[str, WorkParameter]:
    """Return the parameters as user code gets them.

    Parameters
    ----------
    own, others
        What the class describes, and what others do.
    values
        In force, by the names that `to_name` gives, and what is undescribed.
    """
    found = {
        name: _made(name, each.to_bytes(values[to_name(name)]), values[to_name(name)]) for name, each in own.items()
    }
    given: Mapping[str, bytes] = values.get(UNDESCRIBED, {})
    for name, each in others.items():
        if name not in found:
            data = given.get(name, each.to_bytes(each.default))
            found[name] = _made(name, data, each.from_bytes(data))
    return found | {name: _made(name, data, None) for name, data in given.items() if name not in found}


def digest(parameters: Iterable[WorkParameter]) -> str:
    """Return a hash of all values: 64 hexadecimal digits, the same for the same values wherever it is asked for."""
    found = hashlib.sha256()
    for each in sorted(parameters, key=lambda each: each.name):
        for part in (each.name.encode(), each.data):
            found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()


def _made(name: str, data: bytes, value: Any) -> WorkParameter:
    # The same value has the same uuid everywhere, as if it had been set once for all.
    return WorkParameter(name=name, data=data, value=value, uuid=uuid5(NAMESPACE_OID, f"{name}:{data.hex()[:4096]}"))


def _problem(user: type, text: str) -> Problem:
    remedy = "return a list of StrParameter, BinaryParameter, IntParameter, FloatParameter and BoolParameter"
    return Problem(where=f"{user.__module__}:{user.__qualname__}.describe_parameters", text=text, remedy=remedy)
