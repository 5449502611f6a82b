"""Variables of the environment in a pipeline file: ``${NAME}`` and ``${NAME:-default}``.

They are expanded after the YAML is read, in values only, so a variable can never change the structure of a file.
"""

import re
from collections.abc import Mapping

from penstock.core.suggest import did_you_mean

__all__ = ["VariableError", "expand"]

_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>[^}]*))?\}|\$\{")


class VariableError(ValueError):
    """A variable is unknown, or its name cannot be read; ``remedy`` says what would be right."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return text with its variables replaced.

    As in a shell, the default stands in for a variable that is unset or empty. ``$${`` is a plain ``${``.
    What a variable holds is not expanded again.

    Raises
    ------
    VariableError
        If a variable without default is not set, or ``${`` begins no variable.

    Examples
    --------
    >>> expand("${OUT:-.}/map.h5", {})
    './map.h5'
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match["name"]
        if name is None:
            remedy = 'write "${NAME}" or "${NAME:-default}", or "$${" for the characters'
            raise VariableError(f'"${{" in "{text}" begins no variable', remedy)
        default = match["default"]
        if found := environ.get(name):
            return found
        if default is not None:
            return default
        if found is not None:
            return found
        remedy = did_you_mean(name, environ, otherwise=f'set it, or write "${{{name}:-default}}"')
        raise VariableError(f"the variable {name} is not set", remedy)

    return _VARIABLE.sub(value, text)
