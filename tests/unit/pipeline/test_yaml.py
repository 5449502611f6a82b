"""Reading YAML: values, places, and everything that is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Place
from penstock.pipeline.yaml import LONGEST_FILE, read_yaml
from penstock.pipeline.yaml_writer import write_yaml


def problems_of(text: str, environ: dict[str, str] | None = None) -> list[Problem]:
    try:
        return read_yaml(text, "p.yaml", environ)[2]
    except CheckError as error:
        return list(error.problems)


def test_every_value_has_its_place() -> None:
    value, places, problems = read_yaml("a:\n  b: [1,\n      two]\n", "p.yaml")
    assert value == {"a": {"b": [1, "two"]}}
    assert not problems
    assert places["a",] == Place("p.yaml", 1, 1)
    assert places["a", "b"] == Place("p.yaml", 2, 3)
    assert places["a", "b", 1] == Place("p.yaml", 3, 7)


def test_an_empty_file_is_nothing() -> None:
    assert read_yaml("# only a comment\n")[0] is None


def test_merge_takes_what_is_not_written_beside_it() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse:\n  <<: [*b, *o]\n  x: 9\n"
    value, places, problems = read_yaml(text, "p.yaml")
    assert value["use"] == {"x": 9, "y": 2, "z": 4}
    assert places["use", "x"].line == 5
    assert places["use", "y"].line == 1
    assert places["use", "z"].line == 2
    assert not problems


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read_yaml('a: {"<<": 1}')[0] == {"a": {"<<": 1}}


def test_variables_are_typed_as_if_written_there_unless_quoted() -> None:
    environ = {"N": "4", "NAME": "x: y", "EMPTY": ""}
    value = read_yaml('a: ${N}\nb: "${N}"\nc: ${NAME}\nd: "${NO:-./d}/x"\ne: $${N}\nf: ${EMPTY:-3}\n', "", environ)[0]
    assert value == {"a": 4, "b": "4", "c": "x: y", "d": "./d/x", "e": "${N}", "f": 3}


@pytest.mark.parametrize(
    ("text", "line", "says", "remedy"),
    [
        ('a: "abc\nb: 1\n', 1, 'a quote is opened and never closed: a: "abc', 'close it with "'),
        ('a: "abc\nb: "x"\n', 1, "a quote is opened", 'close it with "'),
        ("a: 1\nb: 'x\n", 2, "a quote is opened and never closed", "close it with '"),
        ('a: "x" y', 1, "text follows a closing quote", "put all of the value in quotes"),
        ('a: "C:\\qdata"', 1, "a backslash in double quotes", "use single quotes"),
        ("a: b: c", 1, 'a second ": " in one line', 'quote the value: "b: c"'),
        ("a:\n\tb: 1", 2, "a tab stands where only spaces may indent", "indent with spaces"),
        ("a:\n  b: 1\n   c: 2", 3, "indented deeper", "it is indented 3 spaces, the line above 2"),
        ("a:\n    b: 1\n  c: 2", 3, "does not fit the lines above it", "the line above 4"),
        ("a\nb: 1", 1, "a key without a colon: a", 'write "key: value"'),
        ("a: [1, 2\nb: 3", 1, "[ is opened and not closed", "close it with ]"),
        ("a: {x: 1\nb: 3", 1, "{ is opened and not closed", "close it with }"),
        ("path: {run}.h5", 1, "a value that begins with {", 'quote it: "{run}.h5"'),
        ("a: {b: ${X}}", 1, "a variable without quotes between { } or [ ]: ${X}", 'quote it, "${X}", for a text'),
        ("a: {b: [{c: {d: ${X:-60}, e: 1}}]}", 1, "without quotes between { } or [ ]: ${X:-60}", "key: ${X:-60} in"),
        ("a: [1,\n  ${X}]\nb: 1", 2, "without quotes between { } or [ ]: ${X}", "quote it"),
        ("a: {b: tcp://${HOST}:1}", 1, "without quotes between { } or [ ]: ${HOST}", "quote it"),
        ("a: @x", 1, "no value can begin with @", "quote it"),
        ("a: %x", 1, "no value can begin with %", "quote it"),
        ("a: *x", 1, "*x names no anchor", 'quote the value: "*x"'),
        ("a: *.h5", 1, "* and & begin the name of an anchor", "quote the value"),
        ("a: 1\n---\nb: 2", 2, "a second document begins", "one file holds one pipeline"),
        ("a: 1\nb: \x07", 2, "the character U+0007 is not allowed", "remove it"),
        ("a: 1\nb: 2\na: 3", 3, 'the key "a" is written twice', "it also stands in line 1"),
        ("a: !!python/name:os.system x", 1, "the tag !!python/name:os.system is not read", "without a tag"),
        ("a: !chain {}", 1, "the tag !chain is not read", "without a tag"),
        ("a: &x [*x]", 1, "an alias stands inside what it names", "name a part of it"),
        ("{[1]: 2}", 1, "a key must be one word", "quote it"),
        ("a: {<<: 3}", 1, "<< takes a mapping", "write <<: *anchor"),
        ("a: ${NOPE}", 1, "the variable NOPE is not set", '"${NOPE:-default}"'),
        ("a: ${BEAMLIN}", 1, "the variable BEAMLIN is not set", 'did you mean "BEAMLINE"?'),
        ('a: "${}"', 1, "begins no variable", '"$${" for the characters'),
        ("${X}: 1", 1, "a variable stands in the key", "in values only"),
        ("a: 1e999", 1, "quote it for text", ""),
        ("a: " + "[" * 100 + "]" * 100, 1, "nested deeper than 60 levels", "unclosed"),
        ("a: " + "[" * 5000, 1, "", ""),
    ],
)
def test_a_mistake_says_where_and_what_would_be_right(text: str, line: int, says: str, remedy: str) -> None:
    problems = problems_of(text, {"BEAMLINE": "1"})
    assert problems
    assert problems[0].file == "p.yaml"
    assert problems[0].line == line
    assert says in problems[0].text
    assert remedy in problems[0].remedy


def test_mistakes_of_several_sections_come_at_once() -> None:
    lines = {problem.line for problem in problems_of('a: "x\nb:\n  c: d: e\nf: [1\ng: 1\n')}
    assert lines == {1, 3, 4}


def test_aliases_of_aliases_end() -> None:
    names = "abcdefghij"
    text = "a: &a [1,2,3,4,5,6,7,8,9]\n"
    text += "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(names))
    assert [problem.text for problem in problems_of(text)] == ["its aliases make more than 50000 values"]


def test_a_huge_file_is_not_read() -> None:
    assert "include" in problems_of("a: 1\n" * LONGEST_FILE)[0].remedy


@given(st.text(max_size=60) | st.text(alphabet="ab:-[]{}\"'&*!<>|#%@\n\t ${}", max_size=60))
def test_any_text_is_read_or_clearly_refused(text: str) -> None:
    assert all(problem.text for problem in problems_of(text))


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
keys = st.text(max_size=8).filter(lambda key: "${" not in key)


@given(
    st.dictionaries(
        keys, st.recursive(scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(keys, x, max_size=3))
    )
)
def test_what_is_written_reads_back(tree: dict[str, object]) -> None:
    value, _, problems = read_yaml(write_yaml(tree), "p.yaml")
    assert not problems
    assert (value or {}) == tree
