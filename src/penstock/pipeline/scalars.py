"""The YAML 1.2 core schema: what a plain scalar means, and nothing more.

``on``, ``12:30``, ``2026-11-20`` and ``1_000`` are text; ``010`` is ten, ``0o10`` eight, ``1e-3`` a number.
"""

import math
import re

__all__ = ["Scalar", "resolve"]

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 400
"""Characters. Longer ones are nobody's number, and Python refuses integers of some thousand digits."""


def resolve(text: str) -> Scalar:
    """Return what a plain scalar means.

    Raises
    ------
    ValueError
        If it is written as a number that no number can hold.

    Examples
    --------
    >>> [resolve(text) for text in ("on", "12:30", "010", "0o10", "1e-3", "~", "1_000")]
    ['on', '12:30', 10, 8, 0.001, None, '1_000']
    """
    if text in _WORDS:
        return _WORDS[text]
    number = _number(text)
    if number is None:
        return text
    if isinstance(number, float) and math.isinf(number):
        raise ValueError(f"{text} is beyond the largest number; write .inf for infinity, or quote it for text")
    return number


def _number(text: str) -> int | float | None:
    is_int, is_float = _INT.fullmatch(text), _FLOAT.fullmatch(text)
    if (is_int or is_float) and len(text) > _LONGEST_NUMBER:
        raise ValueError(f"{text[:12]}… has {len(text)} characters, too many for a number; quote it for text")
    if is_int:
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if is_float else None
