r"""Patterns of REGEXP, found in a time that grows with the text's length and never with its powers.

A query may come from anybody, and ``(a+)+$`` keeps Python's ``re`` busy twice as long for each further character. RE2
cannot be kept busy so, by how it works; a time limit for a search, as the library ``regex`` has it, would not bound a
query over a million messages, and would fail on a busy machine what is found on an idle one. The price: no
backreferences, no look-ahead, no look-behind, and ``\d \w \s \b`` mean ASCII.
"""

from collections.abc import Callable

import re2

__all__ = ["pattern_fault", "searcher"]

MOST_CHARACTERS = 4096
"""Of a pattern: a search takes at most about the product of both lengths."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # it would write them on stderr, too


def pattern_fault(pattern: str) -> tuple[int, str] | None:
    """Return what is wrong in a pattern, and from which character on; ``None`` if nothing is."""
    if len(pattern) > MOST_CHARACTERS:
        return MOST_CHARACTERS, f"this pattern has {len(pattern)} characters; write at most {MOST_CHARACTERS}"
    try:
        re2.compile(pattern.encode(), _OPTIONS)
    except UnicodeEncodeError as error:
        return error.start, "this character is half of a surrogate pair; write whole characters"
    except re2.error as error:
        what, _, part = error.args[0].decode(errors="replace").partition(": ")
        # RE2 says which part, not where; where a bracket is missing, the part is all of the pattern.
        return max(0, pattern.find(part)), f"this pattern is not one: {what}{_REMEDIES.get(what, '')}"
    return None


def searcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a valid pattern is found anywhere in a text."""
    search = re2.compile(pattern.encode(), _OPTIONS).search
    # "replace": JSON can hold half a surrogate pair, which no pattern can name.
    return lambda text: search(text.encode(errors="replace")) is not None


_REMEDIES = {
    "missing )": r"; close it, or write \( for the character",
    "unexpected )": r"; open it, or write \) for the character",
    "missing ]": r"; close it, or write \[ for the character",
    "no argument for repetition operator": r"; put before it what is repeated, or a \ for the character",
    "bad repetition operator": "; repeat once",
    "invalid repetition size": "; repeat at most 1000 times in all",
    "invalid perl operator": "; look-ahead and look-behind are not to be had, as they can take for ever",
    "invalid escape sequence": r"; backreferences are not to be had; write \\ for a backslash",
}
