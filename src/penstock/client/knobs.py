"""The parameters of a running pipeline, to be read and turned."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from penstock.client.door import Door, NotFoundError
from penstock.errors import ParameterError, SelectionError

__all__ = ["Knobs"]

LONGEST_SHOWN = 200
"""Characters of a value that are printed beside others."""


class Knobs:
    """The parameters of a run, as attributes where their names allow it, and by address.

    >>> run = connect()  # doctest: +SKIP
    >>> run.parameters.roi = 6.2  # doctest: +SKIP
    >>> run.parameters["fit.roi"]  # doctest: +SKIP
    6.2
    """

    _door: Door

    def __init__(self, door: Door) -> None:
        object.__setattr__(self, "_door", door)

    def describe(self) -> list[dict[str, Any]]:
        """Return every parameter: address, type, value, default, unit, section, bounds, choices, doc."""
        return list(self._door.json("GET", "parameters")["parameters"])

    def set(self, values: Mapping[str, Any], *, who: str = "") -> dict[str, Any]:
        """Set some together, from one event on; the answer says which, and names the revision.

        Raises
        ------
        ParameterError
            If one is unknown or refused; then none is changed.
        StateError
            If the run has ended.
        """
        try:
            plain = {name: _plain(value) for name, value in values.items()}
            return dict(self._door.json("PUT", "parameters", {"values": plain, "who": who}))
        except (NotFoundError, SelectionError) as error:
            raise ParameterError(str(error)) from None

    def __getitem__(self, name: str) -> Any:  # as its type is
        return self._find(name)["value"]

    def __setitem__(self, name: str, value: Any) -> None:
        self.set({name: value})

    def __getattr__(self, name: str) -> Any:  # as its type is
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._find(name)["value"]
        except ParameterError as error:
            raise AttributeError(str(error)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.set({name: value})

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *(each["address"].rpartition(".")[2] for each in self.describe())]

    def __repr__(self) -> str:
        sections: dict[str, list[str]] = {}
        for each in self.describe():
            sections.setdefault(each["section"], []).append(_line(each))
        # Those without a section first, as they would be taken for the last one's otherwise.
        ordered = sorted(sections.items(), key=lambda item: bool(item[0]))
        return (
            "\n".join("\n".join([f"{name}:", *lines] if name else lines) for name, lines in ordered) or "no parameters"
        )

    def _find(self, name: str) -> dict[str, Any]:
        found = self.describe()
        same = [each for each in found if each["address"] == name or each["address"].endswith(f".{name}")]
        if len(same) == 1:
            return same[0]
        addresses = ", ".join(each["address"] for each in (same or found)) or "none"
        raise ParameterError(f'parameter "{name}" could be any of {addresses}' if same else
                             f'no parameter "{name}"; there are {addresses}')  # fmt: skip


def _plain(value: Any) -> Any:  # what JSON can hold
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, PurePath) else value


def _line(parameter: Mapping[str, Any]) -> str:
    unit = f" {parameter['unit']}" if parameter["unit"] else ""
    doc = f"  {parameter['doc']}" if parameter["doc"] else ""
    value = repr(parameter["value"])
    value = value if len(value) <= LONGEST_SHOWN else f"{value[: LONGEST_SHOWN - 3]}..."
    return f"{parameter['address']} = {value}{unit}{doc}"
