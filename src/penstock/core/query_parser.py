"""Reads the text of a query: one method a rule of the grammar in ``docs/reference/query.md``.

Written by hand: lark, which was tried, says of a mistake which tokens it would have taken, where this says what to
write instead.
"""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from itertools import pairwise

from penstock.core.query_pattern import pattern_fault
from penstock.core.query_tokens import Token, fault, tokens
from penstock.core.query_tree import (
    And,
    Between,
    Compare,
    Condition,
    IsNull,
    Not,
    Or,
    Order,
    Path,
    QueryTree,
    RegExp,
    Value,
    Within,
)
from penstock.errors import QueryError

__all__ = ["parse"]

MOST_NESTED = 50
"""Brackets within brackets: each takes some of Python's stack, whose end is no error to give to a user."""

_KEYWORDS = frozenset(
    "AND ASC BETWEEN BY DESC FALSE IN IS LIMIT NOT NULL OFFSET OR ORDER REGEXP TRUE".split()  # noqa: SIM905  read aloud
)
_OPERATORS = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TRUTHS = {"TRUE": True, "FALSE": False}


def parse(text: str, fields: Collection[str] | None = None) -> QueryTree:
    """Read a query.

    Parameters
    ----------
    fields
        What a path may begin with; ``None`` for anything.

    Raises
    ------
    QueryError
        At the first character that cannot be right.
    """
    return _Parser(text, fields).query()


class _Parser:
    def __init__(self, text: str, fields: Collection[str] | None) -> None:
        self._text = text
        self._fields = fields
        self._tokens = tokens(text)
        self._at = 0
        self._nested = 0

    # --- the rules

    def query(self) -> QueryTree:
        condition = None if self._token.kind == "end" or self._is("ORDER", "LIMIT", "OFFSET") else self._either()
        expected = ["AND", "OR", "ORDER", "LIMIT", "OFFSET"] if condition is not None else ["ORDER", "LIMIT", "OFFSET"]
        order: tuple[Order, ...] = ()
        if self._take("ORDER"):
            self._needs_keyword("BY")
            order = self._order()
            expected = ["ASC", "DESC", "LIMIT", "OFFSET"]
        limit = self._count("LIMIT") if self._take("LIMIT") else None
        expected = expected if limit is None else ["OFFSET"]
        offset = self._count("OFFSET") if self._take("OFFSET") else None
        if self._token.kind != "end":
            raise self._trailing(expected if offset is None else [])
        return QueryTree(condition, order, limit, offset or 0)

    def _either(self) -> Condition:
        conditions = [self._both()]
        while self._take("OR"):
            conditions.append(self._both())
        return conditions[0] if len(conditions) == 1 else Or(tuple(conditions))

    def _both(self) -> Condition:
        conditions = [self._single()]
        while self._take("AND"):
            conditions.append(self._single())
        return conditions[0] if len(conditions) == 1 else And(tuple(conditions))

    def _single(self) -> Condition:
        negated = False
        while self._take("NOT"):
            negated = not negated
        condition = self._bracketed() if self._is("(") else self._predicate()
        return Not(condition) if negated else condition

    def _bracketed(self) -> Condition:
        opening = self._next()
        self._nested += 1
        if self._nested > MOST_NESTED:
            raise self._fault(opening, f"{self._nested} brackets are open here; at most {MOST_NESTED}")
        condition = self._either()
        if not self._take(")"):
            said = f"the bracket that opens at character {opening.at + 1} is not closed before {self._token.named}"
            raise self._fault(self._token, f"{said}; write )")
        self._nested -= 1
        return condition

    def _predicate(self) -> Condition:
        path = self._path("a condition begins with")
        if self._token.kind == "sign" and self._token.text in _OPERATORS:
            operator = self._next()
            # The table's values are the operators of a Compare.
            return Compare(path, _OPERATORS[operator.text], self._value(operator))  # type: ignore[arg-type]
        if self._take("IS"):
            negated = self._take("NOT")
            self._needs_keyword("NULL")
            return IsNull(path, negated)
        negated = self._take("NOT")
        if self._take("IN"):
            return Within(path, self._values(), negated)
        if self._take("REGEXP"):
            return RegExp(path, self._pattern(), negated)
        if self._take("BETWEEN"):
            return self._between(path, negated=negated)
        raise self._no_operator(negated=negated)

    def _between(self, path: Path, *, negated: bool) -> Between:
        low = self._value()
        self._needs_keyword("AND")
        second = self._token
        high = self._value()
        if _kind(low) != _kind(high):
            raise self._fault(second, f"{second.named} is not of the same type as what stands before AND")
        return Between(path, low, high, negated)

    def _values(self) -> tuple[Value, ...]:
        if not self._take("("):
            raise self._fault(self._token, f"( expected, not {self._token.named}; write IN (1, 2)")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        if not self._take(")"):
            raise self._fault(self._token, f", or ) expected, not {self._token.named}; write IN (1, 2)")
        return tuple(values)

    def _pattern(self) -> str:
        token = self._next()
        if token.kind != "string":
            raise self._fault(token, f"a pattern expected, not {token.named}; write it in single quotes, as in '^run'")
        pattern = str(token.value)
        if (found := pattern_fault(pattern)) is not None:
            place, what = found
            # Each ' of the pattern is written twice.
            raise fault(self._text, token.at + 1 + place + pattern.count("'", 0, place), what)
        return pattern

    def _value(self, operator: Token | None = None) -> Value:
        token = self._next()
        if token.kind in ("string", "number"):
            return token.value
        if token.keyword in _TRUTHS:
            return _TRUTHS[token.keyword]
        if token.keyword == "NULL":
            negated = operator is not None and _OPERATORS[operator.text] == "!="
            raise self._fault(token, f"nothing is compared with NULL; write IS {'NOT ' if negated else ''}NULL")
        if token.kind in ("word", "quoted") and token.keyword not in _KEYWORDS:
            written = str(token.value or token.text).replace("'", "''")
            said = f"a value expected, not {token.named}; text stands in single quotes"
            raise self._fault(token, f"{said}: '{written}'" if len(written) <= 40 else said)
        raise self._fault(token, f"a value expected, not {token.named}; write a number, 'text', TRUE or FALSE")

    def _path(self, where: str) -> Path:
        first = self._token
        name = self._name(where)
        if self._fields is not None and name not in self._fields:
            raise self._fault(first, self._no_field(first, name, self._fields))
        steps: list[str | int] = [name]
        while True:
            if self._take("."):
                steps.append(self._step())
            elif self._take("["):
                steps.append(self._place())
            else:
                return tuple(steps)

    def _name(self, where: str) -> str:
        token = self._next()
        if token.kind == "quoted":
            return str(token.value)
        if token.kind == "word" and token.keyword not in _KEYWORDS:
            return token.text
        if token.kind == "word":
            raise self._fault(
                token, f'{where} a field, not {token.named}; write "{token.text}" for a field of that name'
            )
        if token.kind in ("string", "number"):
            raise self._fault(token, f"{where} a field, not the value {token.named}{self._turned(token)}")
        raise self._fault(token, f"{where} a field, not {token.named}; write one such as _id or meta.name")

    @staticmethod
    def _no_field(token: Token, name: str, fields: Collection[str]) -> str:
        near = get_close_matches(name, sorted(fields), n=1)
        meant = f"did you mean {near[0]}?" if near else f"write meta.{token.named} if it stands in the metadata"
        return f"messages have no field {token.named}, only {', '.join(sorted(fields))}; {meant}"

    def _turned(self, value: Token) -> str:
        """Propose ``a > 5`` for ``5 < a``."""
        operator, *rest = self._tokens[self._at : self._at + 20]
        if operator.text not in _OPERATORS or not rest or rest[0].kind not in ("word", "quoted"):
            return "; write one such as _id or meta.name"
        written = rest[0].named
        for before, token in pairwise(rest):
            if before.at + len(before.text) != token.at or token.text in ("", ")"):
                break
            written += token.named
        return f"; write the field first: {written} {_TURNED.get(operator.text, operator.text)} {value.named}"

    def _step(self) -> str:
        token = self._next()
        if token.kind == "quoted":
            return str(token.value)
        if token.kind == "word":
            return token.text
        raise self._fault(token, f'a name expected behind the dot, not {token.named}; others stand in "double quotes"')

    def _place(self) -> int:
        token = self._next()
        if not isinstance(token.value, int) or token.value < 0:
            raise self._fault(token, f"a place in a list expected, not {token.named}; write [0] for its first element")
        if not self._take("]"):
            raise self._fault(self._token, f"] expected, not {self._token.named}")
        return token.value

    def _order(self) -> tuple[Order, ...]:
        orders = [self._ordered_by()]
        while self._take(","):
            orders.append(self._ordered_by())
        return tuple(orders)

    def _ordered_by(self) -> Order:
        path = self._path("ORDER BY takes")
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        return Order(path, descending)

    def _count(self, what: str) -> int:
        token = self._next()
        if not isinstance(token.value, int) or token.value < 0:
            raise self._fault(token, f"{what} takes a whole number from 0 on, not {token.named}")
        return token.value

    # --- what the rules are made of

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._token
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _is(self, *what: str) -> bool:
        token = self._token
        return token.keyword in what if token.kind == "word" else token.kind == "sign" and token.text in what

    def _take(self, what: str) -> bool:
        found = self._is(what)
        self._at += found
        return found

    def _needs_keyword(self, keyword: str) -> None:
        if not self._take(keyword):
            raise self._fault(self._token, f"{keyword} expected, not {self._token.named}")

    def _fault(self, token: Token, what: str) -> QueryError:
        return fault(self._text, token.at, str(token.value) if token.kind == "fault" else what)

    def _no_operator(self, *, negated: bool) -> QueryError:
        token = self._token
        words = ["IN", "REGEXP", "BETWEEN"] if negated else ["IN", "REGEXP", "BETWEEN", "IS", "NOT"]
        if token.text.upper() == "LIKE":
            return self._fault(token, "there is no LIKE; write REGEXP and a pattern: '^a' for LIKE 'a%'")
        if token.kind == "number" and token.text[0] == ".":
            return self._fault(token, f'{token.named} is no name; write ."{token.text[1:]}" or a place in a list, [0]')
        signs = [] if negated else ["=", "!=", "<", "<=", ">", ">="]
        said = f"a comparison expected, not {token.named}"
        return self._fault(token, f"{said}; {_meant(token, words) or _one_of([*signs, *words])}")

    def _trailing(self, expected: Sequence[str]) -> QueryError:
        token = self._token
        if self._is(")"):
            return self._fault(token, "no bracket is open here; leave ) out, or write ( before")
        if self._is("ORDER", "LIMIT", "OFFSET", "AND", "OR") and token.keyword not in expected:
            return self._fault(token, f"{token.named} is too late; the order is condition, ORDER BY, LIMIT, OFFSET")
        said = f"{token.named} is not expected here"
        others = ["ORDER BY" if each == "ORDER" else each for each in expected]
        return self._fault(token, f"{said}; {_meant(token, expected) or _one_of(others)}")


def _meant(token: Token, keywords: Sequence[str]) -> str:
    near = get_close_matches(token.keyword, keywords, n=1) if len(token.keyword) < 20 else []
    return f"did you mean {near[0]}?" if near else ""


def _one_of(words: Sequence[str]) -> str:
    return f"write one of {', '.join(words)}" if words else "leave it out"


def _kind(value: Value) -> str:
    return "truth" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
