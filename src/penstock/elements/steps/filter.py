"""Let pass what an expression is true for; the rest is filtered."""

from typing import Any

from penstock.elements.expression import Expression

__all__ = ["Filter"]


class Filter:
    """Let items pass for which an expression of their fields is true.

    A field that is not there is an error that lists those that are: a filter that silently lets nothing pass would
    look like a lack of beam. Nothing is compared with NaN successfully, so it does not pass ``I0 > 0``.

    >>> bright = Filter("I0 > 0 and shutter == 'open'")
    >>> bright({"I0": 0.5, "shutter": "open"}), bright({"I0": 0.5, "shutter": "closed"})
    ({'I0': 0.5, 'shutter': 'open'}, None)

    Parameters
    ----------
    expression
        Such as ``I0 > 0 and abs(pseudo.x) < 2``. Names are fields, ``item`` is the item itself,
        ``item["any name"]`` a field with any name. There are numbers, texts, arithmetic, comparisons, ``in``, ``and``,
        ``or``, ``not``, and the functions abs, all, any, exp, len, log, max, min, round, sqrt and sum.

    Raises
    ------
    ValueError
        If it is no such expression; the text says at which character.
    """

    def __init__(self, expression: str) -> None:
        self._is_true = Expression(expression, as_truth=True)

    def __call__(self, item: Any) -> Any:
        """Return the item, or ``None``."""
        return item if self._is_true(item) else None
