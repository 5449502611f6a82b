"""The text of a query as words, numbers, strings and signs, and errors that point into it.

Every character is looked at once, so the time grows with the text's length, whatever is in it.
"""

import re
from math import isinf
from typing import Literal
from unicodedata import combining, east_asian_width

import msgspec

from penstock.errors import QueryError

__all__ = ["Token", "fault", "tokens"]

MOST_DIGITS = 100
"""Of a number: Python takes quadratic time for the digits of a whole number, and no value needs more."""
SHOWN = 60
"""Characters of a long query that an error shows on either side."""

# Possessive (*+): a quote that is never closed must not be tried again at every character behind it.
_TOKEN = re.compile(
    r"""
    (?P<blank>\s++)
  | (?P<string>'(?:[^']++|'')*+')
  | (?P<quoted>"(?:[^"]++|"")*+")
  | (?P<number>[+-]?\.?[0-9](?:[eE][+-]|[\w.])*+)
  | (?P<word>[^\W\d]\w*+)
  | (?P<wrong>==|&&|\|\||=<|=>|!(?!=)|[≠≤≥`“”‘’„;])
  | (?P<sign><=|>=|!=|<>|[=<>(),.\[\]])
    """,
    re.VERBOSE,
)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RIGHT = {
    "==": "=", "&&": "AND", "||": "OR", "=<": "<=", "=>": ">=", "!": "NOT", "≠": "!=", "≤": "<=", "≥": ">=",
    "`": '"', "“": "'", "”": "'", "‘": "'", "’": "'", "„": "'",
}  # fmt: skip


class Token(msgspec.Struct, frozen=True):
    """A piece of a query."""

    kind: Literal["word", "quoted", "string", "number", "sign", "end", "fault"]
    """``quoted`` is a step of a path in double quotes, ``fault`` what no piece of a query begins with."""
    text: str
    """As written."""
    at: int
    """Where it begins, in characters from 0."""
    value: str | int | float = ""
    """What a string, a quoted step or a number means; of a fault, what is wrong and what would be right."""

    @property
    def keyword(self) -> str:
        """A word in capitals, as keywords are compared; empty for what is no word."""
        # Not all letters: "ſ" in capitals is "S".
        return self.text.upper() if self.kind == "word" and self.text.isascii() else ""

    @property
    def named(self) -> str:
        """What an error calls it."""
        if self.kind == "end":
            return "the end"
        return self.text if len(self.text) <= SHOWN else f"{self.text[:SHOWN]}…"


def tokens(text: str) -> list[Token]:
    """Cut a query in pieces; the last one is its end, or a fault behind which nothing was read.

    It raises nothing, so that the first mistake of a query is told first, whoever finds it.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup == "wrong":
            return [*found, Token("fault", "", at, _remedy(text[at] if match is None else match[0]))]
        if match.lastgroup != "blank":
            found.append(_token(match))
        if found and found[-1].kind == "fault":
            return found
        at = match.end()
    return [*found, Token("end", "", len(text))]


def fault(text: str, at: int, what: str) -> QueryError:
    """Return an error that shows the query's line, with a caret under the character at fault."""
    begin = max(text.rfind("\n", 0, at) + 1, at - SHOWN)
    stop = min(text.find("\n", at) % (len(text) + 1), at + SHOWN)  # -1 becomes the end
    before = ("…" if begin and text[begin - 1] != "\n" else "") + _printable(text[begin:at])
    behind = _printable(text[at:stop]) + ("…" if stop < len(text) and text[stop] != "\n" else "")
    return QueryError(f"{what}\n  {before}{behind}\n  {' ' * _width(before)}^", at=at)


def _token(match: re.Match[str]) -> Token:
    written, at = match[0], match.start()
    match match.lastgroup:
        case "string":
            return Token("string", written, at, written[1:-1].replace("''", "'"))
        case "quoted":
            return Token("quoted", written, at, written[1:-1].replace('""', '"'))
        case "number":
            return _number(written, at)
        case "word":
            return Token("word", written, at)
        case _:
            return Token("sign", written, at)


def _number(written: str, at: int) -> Token:
    if len(written) > MOST_DIGITS:
        return Token("fault", "", at, f"this number has {len(written)} characters; write at most {MOST_DIGITS}")
    if _INTEGER.fullmatch(written):
        return Token("number", written, at, int(written))
    if not _FLOAT.fullmatch(written):
        return Token("fault", "", at, f"{written} is no number; write text in single quotes, as in '{written}'")
    if isinf(number := float(written)):
        return Token("fault", "", at, f"{written} is larger than any number that is stored; write at most 1.7e308")
    return Token("number", written, at, number)


def _remedy(sign: str) -> str:
    if sign == "'":
        return "this quote is never closed; write ' behind the text, and '' for a ' inside it"
    if sign == '"':
        return 'this quote is never closed; write " behind the name, and "" for a " inside it'
    if sign in _RIGHT:
        return f"{sign} is not used here; write {_RIGHT[sign]}"
    if sign == ";":
        return "nothing ends in ; here; leave it out"
    return f"{sign!r} begins nothing; text stands in single quotes, names like it in double quotes"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _width(text: str) -> int:
    """Return the columns that text takes in a terminal, where Chinese characters take two and accents none."""
    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)
