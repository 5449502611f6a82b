"""Expressions of an item's fields, such as ``I0 > 0 and abs(pseudo.x) < 2``, as pipelines write them.

They are read by Python's own parser and made anew of a closed list of nodes, so that nothing can be reached but the
item's fields and a few functions. Compiled once; a term such as ``I0`` costs what ``item["I0"]`` does.
"""

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

import numpy as np

from penstock.elements.item_field import is_plain_number, member_of

__all__ = ["FUNCTIONS", "ITEM", "Expression"]

Field = Callable[[Any, str, int], Any]
"""Takes a value, a name, and where the name stands."""

ITEM: Final = "item"
"""What the item itself is called; what has this name in it is ``item.item``."""
_LONGEST: Final = 4000
_LARGEST_POWER_BITS: Final = 100_000


def _of_all(reduce: Callable[[Any], Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is NumPy's for one array and Python's for anything else."""

    def of(*values: Any) -> Any:
        return reduce(values[0]) if len(values) == 1 and isinstance(values[0], np.ndarray) else plain(*values)

    return of


def _of_each(each: Callable[[Any], Any], plain: Callable[[float], float]) -> Callable[[Any], Any]:
    """Return a function of numbers that takes arrays, too; of those, what is outside its domain becomes NaN or inf."""

    def of(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            with np.errstate(all="ignore"):
                return each(value)
        return plain(value)

    return of


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "abs": abs,
        "all": _of_all(np.all, all),
        "any": _of_all(np.any, any),
        "exp": _of_each(np.exp, math.exp),
        "len": len,
        "log": _of_each(np.log, math.log),
        "max": _of_all(np.max, max),
        "min": _of_all(np.min, min),
        "round": round,
        "sqrt": _of_each(np.sqrt, math.sqrt),
        "sum": _of_all(np.sum, sum),
    }
)
"""What can be called."""


class Expression:
    """A value computed of an item's fields.

    Names are fields, with dots for what is inside of mappings and messages, or ``x["any name"]``; ``item`` is the item
    itself. Of a plain number every name is the number. There are numbers, texts, ``True``, ``False``,
    ``None``; arithmetic, comparisons, ``in``, ``and``, ``or``, ``not``, ``a if b else c``, elements and slices by
    number, and the functions of ``FUNCTIONS``.

    >>> Expression("I0 / I1 if I1 else None")({"I0": 6, "I1": 3})
    2.0

    Guarantee: no attribute, function or module of Python is reached. Non-guarantee: how long it takes, which is up to
    the arrays in the item.

    Parameters
    ----------
    text
        At most 4000 characters. Line ends count as blanks.
    as_truth
        Whether the value is to be ``True`` or ``False``; an array of several is refused then.

    Raises
    ------
    ValueError
        If it is none; the text says at which character.
    """

    def __init__(self, text: str, *, as_truth: bool = False) -> None:
        self.text = _one_line(text)
        tree = _Builder(self.text).built(_parsed(self.text))
        if as_truth:
            tree = ast.IfExp(test=tree, body=ast.Constant(True), orelse=ast.Constant(False))
        self._of_any: Callable[[Any, Field], Any] = _compiled(tree, ["item", "field"])
        self._of_dict: Callable[[Any], Any] = _compiled(_ByKey().visit(tree), ["item"])

    def __call__(self, item: Any) -> Any:
        """Return the value.

        Raises
        ------
        LookupError
            If a field is not there; the text says at which character it stands, and which there are.
        ValueError
            If it cannot be computed.
        """
        if type(item) is dict:
            try:
                return self._of_dict(item)
            except _FAILURES:
                pass  # said properly below: there is nothing in an expression that cannot be done twice
        try:
            return self._of_any(item, _of_number if is_plain_number(item) else self._field)
        except _NoFieldError as error:
            raise LookupError(str(error)) from error.__cause__
        except _FAILURES as error:
            raise ValueError(f'"{self.text}" cannot be computed: {_said(error)}') from error

    def _field(self, value: Any, name: str, at: int) -> Any:
        try:
            return member_of(value, name)
        except LookupError as error:
            raise _NoFieldError(f'"{self.text}", at character {at}: {error}') from error


def _of_number(value: Any, *_: Any) -> Any:
    return value


class _NoFieldError(Exception):
    """A field is not there; apart from the errors of what is computed."""


_FAILURES: Final = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, _NoFieldError)


def _said(error: BaseException) -> str:
    if "truth value of an array" in str(error):
        return "an array of several values is neither true nor false; write any(…) or all(…) around it"
    return f"{type(error).__name__}: {error}"


def _one_line(text: str) -> str:
    if not str(text).strip():
        raise ValueError('an expression is a text such as "I0 > 0", and this one is empty')
    if len(text) > _LONGEST:
        raise ValueError(f"an expression of {len(text)} characters; write a function of your own instead")
    return text.replace("\n", " ").strip()


def _parsed(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what the parser warns of, such as 1if x, is a slip of the pen here
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        at = error.offset or len(text) + 1  # it has none where the end is what is wrong
        raise ValueError(f'"{text}" is no expression, at character {at}: {error.msg}') from None
    except (RecursionError, MemoryError):
        raise ValueError(f'"{text[:40]}…" is nested too deeply') from None


class _Builder:
    """Makes the tree that is compiled. What it does not know is refused."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._by_type: dict[type[ast.expr], Callable[[Any], ast.expr]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.BoolOp: self._boolean,
            ast.Compare: self._comparison,
            ast.IfExp: self._choice,
            ast.Tuple: self._several,
            ast.List: self._several,
            ast.Set: self._several,
            ast.Call: self._call,
        }

    def built(self, node: ast.expr) -> ast.expr:
        build = self._by_type.get(type(node))
        if build is None:
            self._refuse(node, f"{_kind(node)} is not allowed")
        try:
            return build(node)
        except RecursionError:
            raise ValueError(f'"{self._text[:40]}…" is nested too deeply') from None

    def _constant(self, node: ast.Constant) -> ast.expr:
        if node.value is not None and not isinstance(node.value, bool | int | float | str):
            self._refuse(node, f"{node.value!r} is not allowed")
        return ast.Constant(node.value)

    def _name(self, node: ast.Name) -> ast.expr:
        name, whole = self._written(node), ast.Name("item", ast.Load())
        return whole if name == ITEM else self._field(whole, node, name)

    def _attribute(self, node: ast.Attribute) -> ast.expr:
        return self._field(self.built(node.value), node, self._written(node))

    def _subscript(self, node: ast.Subscript) -> ast.expr:
        inside = node.slice
        if isinstance(inside, ast.Constant) and isinstance(inside.value, str):
            return self._field(self.built(node.value), node, inside.value)
        return ast.Subscript(self.built(node.value), self._index(inside), ast.Load())

    def _index(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Slice):
            ends = [None if end is None else self.built(end) for end in (node.lower, node.upper, node.step)]
            return ast.Slice(*ends)
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self._index(each) for each in node.elts], ast.Load())
        return self.built(node)

    def _unary(self, node: ast.UnaryOp) -> ast.expr:
        return ast.UnaryOp(node.op, self.built(node.operand))

    def _binary(self, node: ast.BinOp) -> ast.expr:
        left, right = self.built(node.left), self.built(node.right)
        if isinstance(node.op, ast.LShift | ast.RShift | ast.MatMult):
            self._refuse(node, "<<, >> and @ are not allowed")
        guard = _GUARDED.get(type(node.op))
        return _called(guard, left, right) if guard else ast.BinOp(left, node.op, right)

    def _boolean(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(node.op, [self.built(value) for value in node.values])

    def _comparison(self, node: ast.Compare) -> ast.expr:
        for op, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.Is | ast.IsNot) and not (isinstance(other, ast.Constant) and other.value is None):
                self._refuse(other, '"is" goes with None only; write == or !=')
        return ast.Compare(self.built(node.left), node.ops, [self.built(other) for other in node.comparators])

    def _choice(self, node: ast.IfExp) -> ast.expr:
        return ast.IfExp(self.built(node.test), self.built(node.body), self.built(node.orelse))

    def _several(self, node: ast.Tuple | ast.List | ast.Set) -> ast.expr:
        each = [self.built(element) for element in node.elts]
        return ast.Set(each) if isinstance(node, ast.Set) else type(node)(each, ast.Load())

    def _call(self, node: ast.Call) -> ast.expr:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            called = ast.get_source_segment(self._text, node.func) or "this"
            self._refuse(node, f"{called} cannot be called; there are {', '.join(FUNCTIONS)}")
        if node.keywords:
            self._refuse(node.keywords[0].value, "arguments with names are not allowed")
        return _called(node.func.id, *map(self.built, node.args))

    def _field(self, value: ast.expr, node: ast.expr, name: str) -> ast.expr:
        return _called("field", value, ast.Constant(name), ast.Constant(self._at(node)))

    def _at(self, node: ast.expr) -> int:
        """Return at which character of the text something stands, from 1; of a.b, where b does."""
        before = self._text.encode()[: node.col_offset].decode()
        if isinstance(node, ast.Attribute):
            before = self._text.encode()[: node.end_col_offset].decode()[: -len(self._written(node))]
        return len(before) + 1

    def _written(self, node: ast.Name | ast.Attribute) -> str:
        """Return a name as it is written; the parser takes µ, the sign of micro, for the Greek letter."""
        segment = self._text.encode()[node.col_offset : node.end_col_offset].decode()
        return segment.rpartition(".")[2].strip()

    def _refuse(self, node: ast.expr, why: str) -> NoReturn:
        raise ValueError(f'"{self._text}", at character {self._at(node)}: {why}')


class _ByKey(ast.NodeTransformer):
    """Takes the fields of the item itself out of it by their keys, which only a dictionary has."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name), "it was built so"
        if node.func.id != "field":
            return ast.Call(node.func, [self.visit(each) for each in node.args], [])
        value, name = node.args[0], node.args[1]
        if isinstance(value, ast.Name):
            return ast.Subscript(value, name, ast.Load())
        return _called("member_of", self.visit(value), name)


def _called(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _compiled(tree: ast.expr, names: list[str]) -> Callable[..., Any]:
    arguments = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
    whole = ast.Expression(ast.Lambda(arguments, tree))
    try:
        code = compile(ast.fix_missing_locations(whole), "<expression>", "eval")
    except RecursionError:
        raise ValueError("an expression is nested too deeply") from None
    made: Callable[..., Any] = eval(code, dict(_NAMES))  # noqa: S307  # a tree that was made above, of a closed list
    return made


def _power(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() * b > _LARGEST_POWER_BITS:
        raise ValueError(f"a power with more than {_LARGEST_POWER_BITS} bits")
    value = a**b
    if isinstance(value, complex):
        raise ValueError(f"{a} ** {b} is no real number")
    return value


def _product(a: Any, b: Any) -> Any:
    if isinstance(a, _REPEATED) or isinstance(b, _REPEATED):
        raise TypeError("only numbers and arrays can be multiplied")
    return a * b


def _remainder(a: Any, b: Any) -> Any:
    if isinstance(a, _REPEATED):
        raise TypeError("only numbers and arrays have a remainder")
    return a % b


_REPEATED: Final = (str, bytes, list, tuple)
_GUARDED: Final[Mapping[type[ast.operator], str]] = MappingProxyType(
    {ast.Pow: "_power", ast.Mult: "_product", ast.Mod: "_remainder"}
)
"""What could fill the memory with a few letters: "a" * 10 ** 10."""
_NAMES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "__builtins__": {},
        "member_of": member_of,
        "_power": _power,
        "_product": _product,
        "_remainder": _remainder,
        **FUNCTIONS,
    }
)


def _kind(node: ast.expr) -> str:
    words = {
        ast.Lambda: "lambda",
        ast.JoinedStr: 'f"…"',
        ast.NamedExpr: ":=",
        ast.ListComp: "a comprehension",
        ast.SetComp: "a comprehension",
        ast.DictComp: "a comprehension",
        ast.GeneratorExp: "a comprehension",
        ast.Dict: "a mapping",
        ast.Starred: "*",
        ast.Slice: "a slice",
    }
    return words.get(type(node), type(node).__name__.lower())
