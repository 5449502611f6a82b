"""The condition of an alarm: an expression of figures and of results, with ``absent`` and ``rate``.

>>> condition = Condition("watch.in_per_s < 1 and not absent(watch.last.I0)")
>>> condition.look({"watch": {"in_per_s": 0.2, "last": {"I0": 7}}}, now_ns=0)
True
>>> condition.said()
'watch.in_per_s = 0.2, watch.last.I0 = 7'
"""

import ast
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from penstock.core.timestamp import NS_PER_S
from penstock.elements.expression import Expression

__all__ = ["LAST", "Condition"]

LAST: Final = "last"
"""``stage.last.field`` is a field of the stage's last result."""
RATE_S: Final = 60.0
"""Over how long a rate is taken, unless it says."""
_FUNCTIONS: Final = ("absent", "rate")


class Condition:
    """Whether something holds, by what is known now and, for rates, by what was known before.

    Names are those of the pipeline with dots, as in ``fit.in_per_s``. A comparison with what is not known is neither
    true nor false; ``and``, ``or`` and ``not`` make the best of it. ``absent(x)`` is true where there is no such
    value, or it is no number; ``rate(x)`` is how much it has grown a second over the last minute, ``rate(x, 10)`` over
    10 s. All else is as in ``Expression``.

    Parameters
    ----------
    text
        The expression.
    entries
        Names of the pipeline's entries; those with a ``-`` in them could not be told from a difference otherwise.

    Raises
    ------
    ValueError
        If it is none; the text says where.
    """

    def __init__(self, text: str, entries: Iterable[str] = ()) -> None:
        self.text = text
        for name in sorted((name for name in entries if "-" in name), key=len, reverse=True):
            text = re.sub(rf'(?<![\w"-]){re.escape(name)}(?=\.)', f'item["{name}"]', text)
        plain = _without_calls(text)
        try:
            Expression(plain)  # says at which character something is wrong
        except ValueError as error:
            raise ValueError(str(error).replace(plain.strip(), self.text.strip())) from None
        finder = _Calls(text.strip())
        self._whole = _logic(finder.visit(ast.parse(text.strip(), mode="eval").body))
        self._absent, self._rates = finder.absent, finder.rates
        self.names: tuple[tuple[str, ...], ...] = tuple(dict.fromkeys(_names(ast.parse(text.strip(), mode="eval"))))
        """What it reads, each as its parts."""
        self._seen: dict[str, Any] = {}

    def look(self, values: Mapping[str, Any], now_ns: int) -> bool | None:
        """Return whether it holds; ``None`` if something that it reads is not known.

        Parameters
        ----------
        values
            Trees of names.
        now_ns
            Never before an earlier one.
        """
        self._seen = {".".join(path): found for path in self.names if (found := _at(values, path)) is not None}
        known = dict(values)
        for name, argument in self._absent.items():
            known[name] = _is_absent(_value(argument, values))
        for name, rate in self._rates.items():
            known[name] = rate.look(_value(rate.of, values), now_ns)
        return self._whole(known)

    @property
    def not_known(self) -> list[str]:
        """What it has read last and found nothing."""
        return [name for path in self.names if (name := ".".join(path)) not in self._seen]

    def said(self) -> str:
        """Return what it has read last, for people."""
        return ", ".join(f"{name} = {_short(value)}" for name, value in self._seen.items())


class _Rate:
    """How fast something grows."""

    def __init__(self, of: Expression, over_s: float) -> None:
        self.of = of
        self._over_ns = round(over_s * NS_PER_S)
        self._points: deque[tuple[int, float]] = deque(maxlen=100_000)

    def look(self, value: Any, now_ns: int) -> float | None:
        """Take a value; return the rate, ``None`` before there are two of them."""
        if _is_absent(value):
            return None
        self._points.append((now_ns, float(value)))
        # One that is older is kept, so that the whole time is looked at.
        while len(self._points) > 2 and now_ns - self._points[1][0] >= self._over_ns:
            self._points.popleft()
        (then_ns, before), last = self._points[0], self._points[-1][1]
        return (last - before) * NS_PER_S / (now_ns - then_ns) if now_ns > then_ns else None


class _Calls(ast.NodeTransformer):
    """Takes calls of our own functions out of an expression; names that no entry can have stand for them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.absent: dict[str, Expression] = {}
        self.rates: dict[str, _Rate] = {}

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
            self.generic_visit(node)
            return node
        if node.func.id == "absent":
            if len(node.args) != 1 or node.keywords:
                raise ValueError(f'"{self._text}": absent takes one value, as in absent(fit.last.chi2)')
            name = f"_absent{len(self.absent)}"
            self.absent[name] = Expression(ast.unparse(node.args[0]))
        else:
            name = f"_rate{len(self.rates)}"
            over_s = self._over_s(node)
            self.rates[name] = _Rate(Expression(ast.unparse(node.args[0])), over_s)
        return ast.Name(name, ast.Load())

    def _over_s(self, node: ast.Call) -> float:
        if len(node.args) == 1 and not node.keywords:
            return RATE_S
        over = node.args[1] if len(node.args) == 2 and not node.keywords else None
        if isinstance(over, ast.Constant) and isinstance(over.value, int | float) and over.value > 0:
            return float(over.value)
        raise ValueError(f'"{self._text}": rate takes a value and over how many s, as in rate(run.loss, 10)')


Truth = Callable[[dict[str, Any]], bool | None]


def _logic(node: ast.expr) -> Truth:
    """Return what a condition comes to, where some of what it reads may not be known."""
    if isinstance(node, ast.BoolOp):
        parts = [_logic(each) for each in node.values]
        decisive = isinstance(node.op, ast.Or)
        return lambda values: _decided([part(values) for part in parts], decisive=decisive)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        part = _logic(node.operand)
        return lambda values: None if (found := part(values)) is None else not found
    expression = Expression(ast.unparse(node), as_truth=True)

    def leaf(values: dict[str, Any]) -> bool | None:
        try:
            return bool(expression(values))
        except (LookupError, ValueError):
            return None

    return leaf


def _decided(found: Sequence[bool | None], *, decisive: bool) -> bool | None:
    if decisive in found:
        return decisive
    return None if None in found else not decisive


def _without_calls(text: str) -> str:
    """Return the text with our own functions as some that any expression may call, at the same places."""
    return re.sub(r"\b(?:absent|rate)\b(?=\s*\()", lambda found: "max".ljust(len(found[0])), text)


def _names(node: ast.AST) -> Iterable[tuple[str, ...]]:
    path = _path(node)
    if path:
        yield path
        return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Call) and child is node.func):
            yield from _names(child)


def _path(node: ast.AST) -> tuple[str, ...]:
    """Return the parts of a name with dots, ``()`` of anything else."""
    if isinstance(node, ast.Name):
        return (node.id,) if node.id != "item" else ()
    inside, name = None, ""
    if isinstance(node, ast.Attribute):
        inside, name = node.value, node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        inside, name = node.value, node.slice.value
    if inside is None:
        return ()
    if isinstance(inside, ast.Name) and inside.id == "item":
        return (name,)
    before = _path(inside)
    return (*before, name) if before else ()


def _value(expression: Expression, values: Mapping[str, Any]) -> Any:
    try:
        return expression(dict(values))
    except (LookupError, ValueError):
        return None


def _at(values: Any, path: Iterable[str]) -> Any:
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return None
        values = values[name]
    return values


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
