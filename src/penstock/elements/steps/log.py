"""Write a log line for each item."""

import logging
from string import Formatter
from typing import Any, Literal

from penstock.elements.expression import ITEM, Expression

__all__ = ["Log"]

Level = Literal["debug", "info", "warning", "error"]


class Log:
    """Write a line to Python's log for each item and return it unchanged.

    >>> logging.basicConfig(format="%(levelname)s %(message)s", stream=__import__("sys").stdout, force=True)
    >>> Log("I0 is {I0:.1f}", level="warning")({"I0": 0.25})
    WARNING I0 is 0.2
    {'I0': 0.25}

    Parameters
    ----------
    text
        What is written. In braces stand fields, or expressions as ``filter`` takes them, with a format as in Python;
        ``{}`` or ``{item}`` is the item.
    level
        How loud.
    logger
        The name of the logger.

    Raises
    ------
    ValueError
        If the text's braces do not match, or hold no expression.
    """

    def __init__(self, text: str = "{}", level: Level = "info", logger: str = "penstock.log") -> None:
        levels = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
        if level not in levels:
            raise ValueError(f'there is no level "{level}"; there are {", ".join(levels)}')
        self._level = levels[level]
        self._log = logging.getLogger(logger)
        self._parts = list(_parts(text))

    def __call__(self, item: Any) -> Any:
        """Write the line and return the item."""
        if self._log.isEnabledFor(self._level):
            self._log.log(self._level, "%s", "".join(self._written(item)))
        return item

    def _written(self, item: Any) -> list[str]:
        return [
            literal if value is None else literal + format(str(value(item)) if as_text else value(item), form)
            for literal, value, form, as_text in self._parts
        ]


def _parts(text: str) -> Any:
    """Yield what stands before each pair of braces, the expression in them, its format, and whether it is a text."""
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f'"{text}" cannot be written: {error}; for a brace, write two') from None
    for literal, name, form, conversion in parsed:
        expression = None if name is None else Expression(name or ITEM)
        # Without a format everything can be written, also what has none of its own, such as a list.
        yield literal, expression, form or "", not form or conversion == "s"
