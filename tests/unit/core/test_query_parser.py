"""The text of a query, right and wrong."""

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.core.message import Message
from penstock.core.query import MESSAGE_FIELDS, Query, message_record
from penstock.core.query_parser import parse
from penstock.core.query_pattern import pattern_fault
from penstock.core.query_tree import And, Between, Compare, IsNull, Not, Or, Order, QueryTree, RegExp, Within
from penstock.errors import QueryError
from tests.unit.core.query_cases import queries, written

SPELLINGS: list[Callable[[str], str]] = [str, str.lower, str.title, lambda text: text.replace(" ", "\n\t ")]


def at_fault(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("_id = 5", Compare(("_id",), "=", 5)),
        ("_id=-5", Compare(("_id",), "=", -5)),
        ("_id = +5", Compare(("_id",), "=", 5)),
        ("meta.x <> -1.5e-3", Compare(("meta", "x"), "!=", -1.5e-3)),
        ("meta.x >= .5", Compare(("meta", "x"), ">=", 0.5)),
        ("meta.x <= 5.", Compare(("meta", "x"), "<=", 5.0)),
        ("name = ''", Compare(("name",), "=", "")),
        ("name = 'it''s'", Compare(("name",), "=", "it's")),
        ("name = ''''''", Compare(("name",), "=", "''")),
        ("a = true", Compare(("a",), "=", True)),
        ("a != FALSE", Compare(("a",), "!=", False)),
        ("a in (1, 'b', True, -2.5)", Within(("a",), (1, "b", True, -2.5))),
        ("a NOT IN (1)", Within(("a",), (1,), True)),
        ("a regexp '^x'", RegExp(("a",), "^x")),
        ("a Not RegExp 'x'", RegExp(("a",), "x", True)),
        ("a BETWEEN -1 AND 2.5", Between(("a",), -1, 2.5)),
        ("a NOT BETWEEN 'a' AND 'b'", Between(("a",), "a", "b", True)),
        ("a IS NULL", IsNull(("a",))),
        ("a is not null", IsNull(("a",), True)),
        ("a.b.c.d.e = 1", Compare(("a", "b", "c", "d", "e"), "=", 1)),
        ("meta.order.by.limit = 1", Compare(("meta", "order", "by", "limit"), "=", 1)),
        ('meta."a.b c"."say ""x""" = 1', Compare(("meta", "a.b c", 'say "x"'), "=", 1)),
        ('"order" = 1', Compare(("order",), "=", 1)),
        ("meta.roi[0][12].x = 1", Compare(("meta", "roi", 0, 12, "x"), "=", 1)),
        ("meta . roi [ 0 ] = 1", Compare(("meta", "roi", 0), "=", 1)),
        ("größe = 1", Compare(("größe",), "=", 1)),
        ("NOT a = 1", Not(Compare(("a",), "=", 1))),
        ("NOT NOT (a = 1)", Compare(("a",), "=", 1)),
        ("((a = 1))", Compare(("a",), "=", 1)),
    ],
)
def test_each_rule_of_the_grammar(text: str, condition: object) -> None:
    assert parse(text) == QueryTree(condition)  # type: ignore[arg-type]  # all of them are conditions


def test_and_binds_tighter_than_or_and_not_tighter_than_both() -> None:
    a, b, c = (Compare((name,), "=", 1) for name in "abc")
    assert parse("a = 1 OR b = 1 AND c = 1").condition == Or((a, And((b, c))))
    assert parse("a = 1 AND b = 1 OR c = 1").condition == Or((And((a, b)), c))
    assert parse("(a = 1 OR b = 1) AND c = 1").condition == And((Or((a, b)), c))
    assert parse("NOT a = 1 AND b = 1").condition == And((Not(a), b))
    assert parse("a BETWEEN 0 AND 1 AND b = 1").condition == And((Between(("a",), 0, 1), b))


def test_any_number_of_brackets_may_stand_beside_each_other() -> None:
    assert parse(" AND ".join(["(a = 1)"] * 200)).condition == And((Compare(("a",), "=", 1),) * 200)


def test_order_limit_and_offset_with_and_without_a_condition() -> None:
    a = Compare(("a",), "=", 1)
    orders = (Order(("b",)), Order(("c", "d"), True), Order(("e", 0)))
    assert parse("a = 1 ORDER BY b ASC, c.d DESC, e[0] LIMIT 5 OFFSET 10") == QueryTree(a, orders, 5, 10)
    assert parse("ORDER BY b LIMIT 0") == QueryTree(None, orders[:1], 0)
    assert parse("limit 7") == QueryTree(limit=7)
    assert parse("a = 1 offset 3") == QueryTree(a, offset=3)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_query_asks_for_everything(text: str) -> None:
    assert parse(text) == QueryTree()


@pytest.mark.parametrize("number", range(len(SPELLINGS)))
@given(query=queries)
def test_what_is_written_is_read(number: int, query: QueryTree) -> None:
    text = written(query, SPELLINGS[number])
    assert written(parse(text)) == written(query)  # AND in AND, and NOT twice, are read as one


FAULTS = [  # the query, what is at fault in it, and a word of what would be right
    ("name = abc", "abc", "'abc'"),
    ("meta.x = unquoted text", "unquoted", "'unquoted'"),
    ('name = "abc"', '"abc"', "'abc'"),
    ("name = it's", "it", "'it'"),
    ("name = abc AND a ~ 1", "abc", "'abc'"),
    ("a = 1 ''", "''", "not expected"),
    ("a = 1 'x", "'x", "never closed"),
    ("abc", "", "write one of ="),
    ("abc AND b = 1", "AND", "a comparison expected"),
    ("(a = 1", "", "character 1 is not closed"),
    ("(a = 1 OR (b = 2)", "", "write )"),
    ("a = 1)", ")", "leave ) out"),
    ("a = 'x", "'x", "never closed"),
    ('"a = 1', '"a', "never closed"),
    ("5 < meta.x[0]", "5", "meta.x[0] > 5"),
    ("'x' = name", "'x'", "name = 'x'"),
    ("5", "5", "_id"),
    ("a LIKE 'x'", "LIKE", "REGEXP"),
    ("a == 1", "== 1", "write ="),
    ("a = 1 && b = 2", "&&", "write AND"),
    ("a = 1 || b = 2", "||", "write OR"),
    ("!(a = 1)", "!", "write NOT"),
    ("a ≠ 1", "≠", "!="),
    ("a = 1; DROP", ";", "leave it out"),
    ("a = ‘x’", "‘", "write '"),
    ("a ~ 1", "~", "begins nothing"),
    ("a = NULL", "NULL", "IS NULL"),
    ("a <> null", "null", "IS NOT NULL"),
    ("a = ", "", "a value expected"),
    ("a = AND", "AND", "a value expected"),
    ("a IN ()", ")", "a value expected"),
    ("a IN (1 2)", "2", ", or )"),
    ("a IN 5", "5", "IN (1, 2)"),
    ("a IN (1,", "", "a value expected"),
    ("a NOT = 5", "= 5", "REGEXP"),
    ("a IS 5", "5", "NULL expected"),
    ("a IS NOT", "", "NULL expected"),
    ("a ıſ NULL", "ıſ", "a comparison expected"),
    ("a BETWEN 1 AND 2", "BETWEN", "did you mean BETWEEN?"),
    ("a BETWEEN 1 OR 2", "OR", "AND expected"),
    ("a BETWEEN 1 AND 'x'", "'x'", "same type"),
    ("a BETWEEN 1 AND TRUE", "TRUE", "same type"),
    ("a = 1 ODER BY b", "ODER", "did you mean ORDER?"),
    ("a = 1 b = 2", "b", "AND, OR, ORDER BY"),
    ("a = 1 LIMT 2", "LIMT", "did you mean LIMIT?"),
    ("ORDER a", "a", "BY expected"),
    ("ORDER BY", "", "ORDER BY takes a field"),
    ("ORDER BY a DSC", "DSC", "did you mean DESC?"),
    ("LIMIT", "", "whole number"),
    ("LIMIT -1", "-1", "from 0 on"),
    ("LIMIT 1.5", "1.5", "whole number"),
    ("LIMIT 5 ORDER BY a", "ORDER", "the order is"),
    ("OFFSET 5 LIMIT 5", "LIMIT", "the order is"),
    ("LIMIT 5 AND a = 1", "AND", "the order is"),
    ("LIMIT 5 OFFSET 1 x", "x", "leave it out"),
    ("order = 1", "= 1", "BY expected"),
    ("a = 1 AND and = 2", "and = 2", '"and"'),
    ("meta. = 5", "= 5", "behind the dot"),
    ("meta.roi.0 = 1", ".0", "[0]"),
    ("meta.roi[x] = 1", "x] ", "[0]"),
    ("meta.roi[-1] = 1", "-1]", "[0]"),
    ("meta.roi[0 = 1", "= 1", "] expected"),
    ("meta.x-pos = 1", "-pos", "double quotes"),
    ("a = 5abc", "5abc", "'5abc'"),
    ("a = 1.2.3", "1.2.3", "no number"),
    ("a = 1e", "1e", "no number"),
    ("a = 1e999", "1e999", "larger"),
    (f"a = {'9' * 101}", "9", "at most 100"),
    ("a REGEXP 5", "5", "single quotes"),
    ("a REGEXP 'x''y(?=z)'", "(?=", "look-ahead"),
    ("a REGEXP 'x['", "[", "close it"),
    (r"a REGEXP '(x)\1'", r"\1", "backreferences"),
    ("a REGEXP 'x''**'", "**", "repeat once"),
    ("a REGEXP 'x{1001}'", "{1001}", "1000"),
    (f"{'(' * 60}a = 1{')' * 60}", "(" * 10 + "a", "at most 50"),
]


@pytest.mark.parametrize(("text", "part", "remedy"), FAULTS, ids=[text[:40] for text, _, _ in FAULTS])
def test_an_error_says_where_and_what_would_be_right(text: str, part: str, remedy: str) -> None:
    error = at_fault(text)
    assert error.at == (text.index(part) if part else len(text))
    assert remedy in str(error)


@given(st.text(alphabet="ab ÄöΩ測定Ａ\u0301\t", max_size=200), st.sampled_from(["x = ", "x = 1\nAND x = ", "ü =\n\n"]))
def test_the_caret_stands_under_the_character(before: str, lines: str) -> None:
    text = f"{lines}'{before}' ~ 1"
    error = at_fault(text)
    shown, caret = str(error).splitlines()[-2:]
    assert re.fullmatch(r" +\^", caret)
    columns = [each for each in shown for _ in range(0 if each == "\u0301" else 2 if each in "測定Ａ" else 1)]
    assert columns[len(caret) - 1] == "~"


def test_a_long_query_is_shown_around_its_fault_only() -> None:
    error = at_fault(f"a = 1 AND {'b = 2 AND ' * 1000}c ~ 3 {'AND d = 4 ' * 1000}")
    shown, caret = str(error).splitlines()[-2:]
    assert len(shown) < 130
    assert shown.strip().startswith("…")
    assert shown.endswith("…")
    assert shown[len(caret) - 1] == "~"


KEYWORDS = "AND OR NOT IN REGEXP BETWEEN IS NULL TRUE FALSE ORDER BY ASC DESC LIMIT OFFSET"
SIGNS = "( ) , . [ ] = != < >= ' \" '' 'x(' \"b\" 1 -2.5 1e ~ ſ a meta"
WORDS = [*KEYWORDS.split(), *SIGNS.split(), "\n"]


def survives(text: str) -> None:
    error: QueryError | None = None
    try:
        query = Query.parse(text)
    except QueryError as raised:
        error = raised
    if error is None:
        assert query.matches({}) in (True, False)
    else:
        assert 0 <= error.at <= len(text)
        assert str(error).endswith("^")
        assert len(str(error)) < 600


@given(st.text(st.characters(codec=None), max_size=60) | st.text("aA1_.'\"()[]<>=!, -+eE\\*?\ud800", max_size=60))
@example("a REGEXP '\ud800'")
@example("name = '\ud800")
def test_any_text_is_a_query_or_an_error_within_it(text: str) -> None:
    survives(text)


@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_words_are_a_query_or_an_error_within_them(text: str) -> None:
    survives(text)


@given(queries.map(written), st.data())
def test_a_query_with_a_slip_is_a_query_or_an_error_within_it(text: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(begin, min(len(text), begin + 3)))
    survives(text[:begin] + data.draw(st.sampled_from(["", *WORDS])) + text[stop:])


MANY = 300_000
LONG = [
    ("quotes", "'" * (MANY + 1)),
    ("double quotes", '"' * (MANY + 1)),
    ("brackets", "(" * MANY),
    ("digits", "a = " + "9" * MANY),
    ("exponents", "a = 1" + "e+" * MANY),
    ("letters", "a" * MANY),
    ("a wrong word", "a = 1 " + "b" * MANY),
    ("a bare word", "a = " + "b" * MANY),
    ("steps", "a" + ".b" * MANY),
    ("not", "NOT " * MANY),
    ("and", "a = 1 AND " * (MANY // 10)),
    ("or", "a = 1 OR " * (MANY // 10) + "a = 1"),
    ("a list", f"a IN ({'1,' * MANY}1)"),
    ("lines", "\n" * MANY + "~"),
    ("a pattern", f"a REGEXP '{'x*' * MANY}'"),
    ("a pattern in brackets", f"a REGEXP '{'(' * 4000}'"),
    ("literals first", "5 <" + " b" * MANY),
]


@pytest.mark.parametrize("text", [text for _, text in LONG], ids=[name for name, _ in LONG])
def test_a_long_text_ends(text: str) -> None:
    """With a time that grew as its square, none of them would."""
    survives(text)


def test_patterns_are_told_apart_without_a_word_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    assert pattern_fault("^run_[0-9]+$") is None
    assert pattern_fault("a)") is not None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id = 3", "messages have no field id, only _id, key, meta, size, timestamp; did you mean _id?"),
        ("energy_keV > 7", "write meta.energy_keV if it stands in the metadata"),
        ('size > 0 ORDER BY "run 7"', 'write meta."run 7" if it stands in the metadata'),
    ],
)
def test_a_field_that_records_do_not_have_is_named(text: str, said: str) -> None:
    with pytest.raises(QueryError) as found:
        Query.parse(text, MESSAGE_FIELDS)
    assert said in str(found.value)
    assert found.value.at == (len(text) - 7 if "run" in text else 0)


def test_what_messages_have_can_be_asked_for() -> None:
    assert tuple(message_record(Message(1, None, 0))) == MESSAGE_FIELDS
    for name in MESSAGE_FIELDS:
        assert Query.parse(f"{name} = 1 ORDER BY {name}", MESSAGE_FIELDS).fields == ((name,),)
