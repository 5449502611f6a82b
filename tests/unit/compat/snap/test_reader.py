"""Both of SNAP's grammars, as they are written and as they are mistaken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.snap.reader import is_address, is_snap, read_snap
from penstock.compat.snap.syntax import Node, Receive, Reference, Send
from penstock.errors import CheckError

V1 = """
settings: &settings
  start: 1
  sigma: 2
logging: {version: 1}
branching:
  generate:
    source: {numbers.walk: {<<: *settings, sigma: 3}}
    steps:
      - .timing.every: {seconds: 0.1}
      - numbers.show
    to: [positive, high]
  positive:
    steps: [{numbers.above: {}}]
    to: high
  high: {}
"""
V2 = """
rate: &rate {seconds: 0.1}
node: !Node:demo
  - !chain:generate
    - !from numbers.walk: {sigma: 3}
    - .timing.every: *rate
    - !to [positive, tcp://127.0.0.1:9000]
    - numbers.show
    - numbers.count: {}
    - !to positive
  - !chain:positive
    - snap.Parallel: {function: !obj:numbers.slow {by: [!obj:numbers.wait {}, 1]}, executor: thread}
  - !chain
    - !from tcp://127.0.0.1:9001
other: !Node [!chain:a [!from events, numbers.show]]
"""


def read(text: str, name: str = "", **environ: str) -> Node:
    return read_snap(text, "a.yml", environ).read(name)


def problems(text: str, name: str = "") -> list[str]:
    with pytest.raises(CheckError) as caught:
        read(text, name)
    return [str(problem) for problem in caught.value.problems]


def test_a_node_of_version_1() -> None:
    node = read(V1, "branching")
    generate, positive, high = node.chains
    assert node.grammar == "v1"
    assert generate.source == Reference(name="numbers.walk", arguments={"start": 1, "sigma": 3})
    assert generate.elements == (
        Reference(name=".timing.every", arguments={"seconds": 0.1}),
        Reference(name="numbers.show"),
        Send(addresses=("positive", "high")),
    )
    assert positive.elements == (Reference(name="numbers.above", arguments={}), Send(addresses=("high",)))
    assert (high.source, high.elements) == (None, ())


def test_a_node_of_version_2() -> None:
    node = read(V2)
    generate, positive, last = node.chains
    assert node.grammar == "v2"
    assert generate.source == Reference(name="numbers.walk", arguments={"sigma": 3})
    assert generate.elements == (
        Reference(name=".timing.every", arguments={"seconds": 0.1}),
        Send(addresses=("positive", "tcp://127.0.0.1:9000")),
        Reference(name="numbers.show"),
        Reference(name="numbers.count", arguments={}),
        Send(addresses=("positive",)),
    )
    slow = Reference(name="numbers.slow", arguments={"by": [Reference(name="numbers.wait", arguments={}), 1]})
    assert positive.elements == (Reference(name="snap.Parallel", arguments={"function": slow, "executor": "thread"}),)
    assert (last.name, last.source) == ("", Receive(address="tcp://127.0.0.1:9001"))
    assert read(V2, "other").chains[0].source == Receive(address="events")


def test_everything_knows_its_line() -> None:
    generate = read(V2).chains[0]
    assert generate.source is not None
    assert [generate.place.line, generate.source.place.line, *(each.place.line for each in generate.elements)] == [
        *(4, 5, 6, 7, 8, 9, 10),
    ]


@pytest.mark.parametrize(
    "source",
    ["!from numbers.walk: {n: 1}", "!from {numbers.walk: {n: 1}}"],
)
def test_a_source_is_tagged_before_its_name_or_around_it(source: str) -> None:
    text = f"node: !Node\n  - !chain:a\n    - {source}\n"
    assert read(text).chains[0].source == Reference(name="numbers.walk", arguments={"n": 1})


def test_objects_of_version_1_stand_in_lists_and_mappings() -> None:
    text = """
    node:
      a:
        source: {m.source: {how: obj@m.plain, what: [{obj@m.made: {n: obj@m.inner}}], where: {x: obj@m.other}}}
    """
    assert read(text).chains[0].source == Reference(
        name="m.source",
        arguments={
            "how": Reference(name="m.plain"),
            "what": [Reference(name="m.made", arguments={"n": Reference(name="m.inner")})],
            "where": {"x": Reference(name="m.other")},
        },
    )


def test_version_2_takes_the_old_mark_of_objects_as_text() -> None:
    text = "node: !Node [!chain:a [!from m.source: {how: obj@m.plain}]]"
    source = read(text).chains[0].source
    assert isinstance(source, Reference)
    assert source.arguments == {"how": "obj@m.plain"}


def test_it_is_yaml_1_1() -> None:
    text = "node: !Node [!chain:a [!from m.source: {a: yes, b: 010, c: 1_000, d: '010'}]]"
    source = read(text).chains[0].source
    assert isinstance(source, Reference)
    assert source.arguments == {"a": True, "b": 8, "c": 1000, "d": "010"}


def test_variables_stand_anywhere_and_those_that_are_not_set_stay() -> None:
    text = "$NODE: !Node [!chain:a [!from $M.source: {n: ${N}, id: $DETECTOR}, !to tcp://${HOST}:9000]]"
    chain = read(text, "main", NODE="main", M="numbers", N="3", HOST="localhost").chains[0]
    assert chain.source == Reference(name="numbers.source", arguments={"n": 3, "id": "$DETECTOR"})
    assert chain.elements == (Send(addresses=("tcp://localhost:9000",)),)


def test_without_a_name_it_is_node_or_the_only_one() -> None:
    assert read(V2).name == "node"
    assert read(V1).name == "branching"
    (said,) = problems("here: !Node []\nthere: !Node []")
    assert said == 'node (a.yml): there is no node "node"; write here or there'


def test_a_misspelt_node_is_told() -> None:
    assert problems(V1, "branchin") == ['branchin (a.yml): there is no node "branchin"; did you mean "branching"?']


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (V1, True),
        (V2, True),
        ("sources: {a: {use: stins}}\nstages: {b: {from: a, steps: [count]}}", False),
        ("stages: {b: {from: a, steps: [count]}}", False),
        ("a: 1", False),
        ("[1, 2]", False),
        ("", False),
        ("a: [", False),
        ("node: {a: {}, b: {source: m.x}}", True),
        ("node: {a: {}}", False),
    ],
)
def test_a_snap_file_is_recognised(text: str, is_one: bool) -> None:
    assert is_snap(text) is is_one


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "node: !Node\n  - !chain:a [!from m.s: {}, m.f, !from m.t: {}]",
            "node[0].a[2] (a.yml, line 2): !from stands in the middle of a chain; let it come first",
        ),
        (
            "node: !Node\n  - !chian:a [m.f]",
            "node[0] (a.yml, line 2): a chain is wanted here; write !chain:NAME [module.function, ...]",
        ),
        (
            "node: !Node [!chain:a [!form m.f]]",
            'node[0].a[0] (a.yml, line 1): the tag !form means nothing here; did you mean "!from"?',
        ),
        (
            "node: !Node [!chain:a [print]]",
            'node[0].a[0] (a.yml, line 1): "print" does not say in which module it is; write module.print',
        ),
        (
            "node: !Node [!chain:a [m.f: 3]]",
            "node[0].a[0].m.f (a.yml, line 1): arguments are wanted by name; write {name: value}, or {} for none",
        ),
        (
            "node: !Node [!chain:a [{m.f: {}, m.g: {}}]]",
            (
                "node[0].a[0] (a.yml, line 1): one element is wanted, and there are m.f and m.g; "
                "write module.attribute, or module.attribute: {name: value}"
            ),
        ),
        (
            "node: !Node [!chain:a [m.f: {a: 1, a: 2}]]",
            (
                'node[0].a[0].m.f.a (a.yml, line 1): the key "a" is written twice; '
                "it also stands in line 1; keep one of them"
            ),
        ),
        (
            "node: !Node [!chain:a [m.f, !to [b, b]]]",
            'node[0].a[1][1] (a.yml, line 1): "b" is named twice; name each once',
        ),
        (
            "node: !Node [!chain:a [!to b: {}]]",
            "node[0].a[0] (a.yml, line 1): !to takes addresses, and no arguments; write !to [a, b]",
        ),
        (
            "node: !Node {a: 1}",
            "node (a.yml, line 1): a node is a list of chains; write !Node [!chain:NAME [...]]",
        ),
        (
            "node: {a: {source: m.s, stpes: [m.f]}}",
            'node.a.stpes (a.yml, line 1): "stpes" is no part of a chain; did you mean "steps"?',
        ),
        (
            "node: {a: {steps: m.f}}",
            "node.a.steps (a.yml, line 1): a list of steps is wanted; write steps: [module.function]",
        ),
        (
            "node:\n  a: {source: m.s}\n  a: {source: m.t}",
            'node.a (a.yml, line 3): the key "a" is written twice; it also stands in line 2; keep one of them',
        ),
        ("a: 1", "node (a.yml): there is no node in this file; write NAME: !Node [!chain [...]]"),
        ("- 1", "a.yml, line 1: a SNAP file is a mapping of names to nodes; write node: !Node [...]"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, said: str) -> None:
    assert problems(text) == [said]


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system",
        "!!python/name:os.system",
        "!!python/object:m.C",
        "!!python/tuple",
        "!secret",
    ],
)
@pytest.mark.parametrize("grammar", ["v1", "v2"])
def test_a_tag_that_would_run_code_is_refused_and_nothing_runs(tag: str, grammar: str) -> None:
    call = f"m.f: {{n: 1,\n  what: {tag} [exit]}}"
    text = f"node: !Node [!chain:a [{call}]]" if grammar == "v2" else f"node: {{a: {{steps: [{{{call}}}]}}}}"
    (said,) = problems(text)
    assert said.partition(" (")[2].startswith("a.yml, line 2): the tag ")
    assert tag in said


def test_all_mistakes_of_a_node_are_told_at_once() -> None:
    text = "node: !Node\n  - !chain:a [print]\n  - !chain:b [m.f: 3]\nother: !Node [!chain [len]]"
    assert len(problems(text)) == 2


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    text = "\n".join([*lines, "node: !Node [!chain:a [m.f: {n: *a9}]]"])
    assert problems(text)[0].endswith("its aliases make more than 50000 values; repeat less")


def test_merges_that_multiply_are_refused_or_small() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10)]
    text = "\n".join([*lines, "node: !Node [!chain:a [m.f: {n: *a9}]]"])
    assert problems(text)[0].endswith("its aliases make more than 50000 values; repeat less")


def test_an_alias_within_itself_is_refused() -> None:
    assert "would never end" in problems("node: !Node [!chain:a [m.f: {n: &x [*x]}]]")[0]


def test_deep_nesting_is_refused() -> None:
    assert "deeper than" in problems("node: !Node [!chain:a [m.f: {n: " + "[" * 100 + "]" * 100 + "}]]")[0]


@pytest.mark.parametrize(
    ("text", "is_one"), [("tcp://*:9000", True), ("queue://a", True), ("a", False), ("://", False)]
)
def test_an_address_has_a_scheme(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one


PIECES = [*" \n\t-!&*:{}[],'\"@.#$<ab01", "!from ", "!to ", "m.f", "<<: ", "!obj:m.f "]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    for head in ("node: !Node\n  - !chain:a\n    - ", "node:\n  a:\n    source: "):
        is_snap(head + text)
        try:
            read(head + text, "node")
        except CheckError as error:
            told = [problem.text for problem in error.problems]
        else:
            told = ["nothing is wrong"]
        assert all(told)
