"""Say in plain words why a text is no YAML: a missing quote, a tab, an indentation that does not fit.

It only explains; what is read and what is refused is decided elsewhere.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import yaml

from penstock.errors import Problem

__all__ = ["syntax_problems"]

_SECTION = re.compile(r"[A-Za-z_][\w-]*\s*:(\s|$)")
"""A key in the first column: after a mistake, reading goes on there."""
_VARIABLE = re.compile(r"\$\{[^}\n]*\}?")


def syntax_problems(text: str, error: yaml.YAMLError, file: str, compose: Callable[[str], object]) -> list[Problem]:
    """Explain every mistake that can be told apart: one in each section of the file.

    Parameters
    ----------
    text
        The whole text.
    error
        What reading it as a whole raised.
    file
        Its name.
    compose
        Reads a text and raises ``yaml.YAMLError``.
    """
    lines = text.splitlines() or [""]
    found: set[Explained] = set()
    for first, last in _sections(lines):
        try:
            compose("\n".join(lines[first:last]))
        except yaml.composer.ComposerError:
            continue  # an alias whose anchor stands in another section
        except yaml.YAMLError as other:
            found.add(_explain(lines[first:last], first, other))
        except RecursionError:
            continue
    # What a section says of itself is nearer to the mistake than where the whole stopped making sense.
    if not found or isinstance(error, yaml.composer.ComposerError):
        found.add(_explain(lines, 0, error))
    several = sorted(found)
    return [Problem(where="", text=reason, remedy=remedy, file=file, line=line) for line, reason, remedy in several]


def _sections(lines: list[str]) -> list[tuple[int, int]]:
    starts = [index for index, line in enumerate(lines) if _SECTION.match(line)]
    return list(pairwise([*starts, len(lines)]))


Explained = tuple[int, str, str]
"""Line counted from 1 in the whole file, what is wrong, what would be right."""


def _explain(lines: list[str], first: int, error: yaml.YAMLError) -> Explained:
    if isinstance(error, yaml.reader.ReaderError):
        return _unreadable(lines, first, error)
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return first + 1, f"this is no YAML: {error}", ""
    at = min(error.problem_mark.line, len(lines) - 1)
    line = lines[at]
    mistake = Mistake(lines, at, line, error)
    for rule in _RULES:
        if found := rule(mistake):
            where, reason, remedy = found
            return first + where + 1, reason, remedy
    return first + at + 1, f"this is no YAML: {error.problem}", "compare it with the lines around it"


def _unreadable(lines: list[str], first: int, error: yaml.reader.ReaderError) -> Explained:
    position, at = error.position, 0
    while at < len(lines) - 1 and position > len(lines[at]):
        position -= len(lines[at]) + 1
        at += 1
    character = error.character
    code = character if isinstance(character, int) else ord(character)
    return (
        first + at + 1,
        f"the character U+{code:04X} is not allowed in YAML",
        "remove it, or write it in a quoted text as \\u…",
    )


Found = tuple[int, str, str] | None


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where reading stopped."""

    lines: list[str]
    at: int
    """Index into ``lines``."""
    line: str
    error: yaml.MarkedYAMLError


def _tab(it: Mistake) -> Found:
    for index in range(it.at, max(it.at - 3, -1), -1):
        indent = it.lines[index][: len(it.lines[index]) - len(it.lines[index].lstrip())]
        if "\t" in indent:
            return index, "a tab stands where only spaces may indent", "indent with spaces"
    if "'\\t'" in (it.error.problem or ""):
        return it.at, "a tab stands before a value", "write a space"
    return None


def _open_quote(it: Mistake) -> Found:
    context = it.error.context or ""
    if "quoted scalar" in context and it.error.context_mark is not None:
        opened = min(it.error.context_mark.line, len(it.lines) - 1)
        if "escape" in (it.error.problem or "") or "expected escape" in context:
            return (
                opened,
                f"a backslash in double quotes begins an escape: {it.error.problem}",
                "write \\\\, or use single quotes",
            )
        quote = '"' if "double" in context or '"' in it.lines[opened] else "'"
        return opened, f"a quote is opened and never closed: {it.lines[opened].strip()}", f"close it with {quote}"
    for index in range(it.at, -1, -1):
        if quote := _left_open(it.lines[index]):
            return (
                index,
                f"a quote is opened and not closed in its line: {it.lines[index].strip()}",
                f"close it with {quote}",
            )
        if _SECTION.match(it.lines[index]):
            break
    return None


def _left_open(line: str) -> str:
    """Return the quote that a line opens and does not close."""
    quote, before, escaped = "", " ", False
    for character in line:
        if escaped:
            escaped = False
        elif quote:
            escaped = quote == '"' and character == "\\"
            if character == quote:
                quote = ""
        elif character in "\"'" and before in " [{,:-\t":
            quote = character
        elif character == "#" and before == " ":
            break
        before = character
    return quote


def _variable(it: Mistake) -> Found:
    """Find a variable that stands bare where braces and brackets are YAML's own."""
    mark = it.error.problem_mark
    if mark is None or "flow" not in (it.error.context or "") or mark.line != it.at or mark.column == 0:
        return None
    written = _VARIABLE.match(it.line, mark.column - 1)
    if written is None:
        return None
    remedy = f'quote it, "{written[0]}", for a text; for a number write key: {written[0]} in a line of its own'
    return it.at, f"a variable without quotes between {{ }} or [ ]: {written[0]}", remedy


def _open_bracket(it: Mistake) -> Found:
    context = it.error.context or ""
    if "flow" not in context or it.error.context_mark is None:
        return None
    opened = min(it.error.context_mark.line, len(it.lines) - 1)
    kind = it.lines[opened][it.error.context_mark.column : it.error.context_mark.column + 1]
    if kind not in ("[", "{"):
        kind = "[" if "[" in it.lines[opened] else "{"
    close = "]" if kind == "[" else "}"
    reason = f"{kind} is opened and not closed where it should be: {it.lines[opened].strip()}"
    return opened, reason, f"close it with {close}, or look for a missing comma"


def _starts_with_brace(it: Mistake) -> Found:
    value = re.match(r"[^#]*?:\s+([{\[][^#]*)$", it.line)
    if value and re.search(r"[}\]]\S", value[1]):
        reason = f"a value that begins with {value[1][0]} is a mapping or a list, yet text follows it"
        return it.at, reason, f'quote it: "{value[1].strip()}"'
    return None


def _colon(it: Mistake) -> Found:
    if "mapping values are not allowed" not in (it.error.problem or ""):
        return None
    mark = it.error.problem_mark
    before = it.line[: mark.column] if mark else it.line
    if ": " in before:
        value = it.line.split(": ", 1)[1].strip()
        return (
            it.at,
            f'a second ": " in one line: {it.line.strip()}',
            f'quote the value: "{value}"; or begin a new line',
        )
    if it.at and it.lines[it.at - 1].strip() and ":" not in it.lines[it.at - 1]:
        return it.at - 1, f"a key without a colon: {it.lines[it.at - 1].strip()}", 'write "key: value"'
    return it.at, f"{it.line.strip()} is indented deeper than the line before it allows", _indents(it.lines, it.at)


def _special(it: Mistake) -> Found:
    found = re.search(r"found character '(.+)' that cannot start any token", it.error.problem or "")
    if not found:
        return None
    return it.at, f"no value can begin with {found[1]}", "quote it"


def _alias(it: Mistake) -> Found:
    problem, context = it.error.problem or "", it.error.context or ""
    if "undefined alias" in problem:
        name = problem.split("alias", 1)[1].strip(" '")
        return (
            it.at,
            f"*{name} names no anchor",
            f'write &{name} where it is defined, above; or quote the value: "*{name}"',
        )
    if "alias" in context or "anchor" in context:
        return it.at, "* and & begin the name of an anchor", "quote the value if it is text"
    if "duplicate anchor" in (it.error.context or ""):
        return it.at, "an anchor has the name of another", "rename one"
    return None


def _documents(it: Mistake) -> Found:
    if "but found another document" in (it.error.problem or ""):
        return it.at, "a second document begins", "one file holds one pipeline; remove the line ---"
    return None


def _indentation(it: Mistake) -> Found:
    problem = it.error.problem or ""
    if "could not find expected ':'" in problem:
        start = min(it.error.context_mark.line, len(it.lines) - 1) if it.error.context_mark else it.at
        return start, f"a key without a colon: {it.lines[start].strip()}", 'write "key: value"'
    if "<block end>" in problem or "<document start>" in problem:
        return it.at, f"{it.line.strip() or 'the end'} does not fit the lines above it", _indents(it.lines, it.at)
    return None


def _after_quote(it: Mistake) -> Found:
    mark = it.error.problem_mark
    if mark is None or it.line[: mark.column].rstrip()[-1:] not in {'"', "'"}:
        return None
    return (
        it.at,
        f"text follows a closing quote: {it.line.strip()}",
        'put all of the value in quotes; a quote inside is written twice or as \\"',
    )


_RULES = (
    _variable,
    _tab,
    _open_quote,
    _alias,
    _open_bracket,
    _starts_with_brace,
    _colon,
    _special,
    _documents,
    _after_quote,
    _indentation,
)


def _indents(lines: list[str], at: int) -> str:
    above = next((text for text in reversed(lines[:at]) if text.strip() and not text.strip().startswith("#")), "")
    here, there = (len(text) - len(text.lstrip()) for text in (lines[at], above))
    if not above:
        return 'write "key: value"'
    if here == there:
        return f"it is indented {here} spaces as the line above; look for a missing colon there"
    return f"it is indented {here} spaces, the line above {there}"
