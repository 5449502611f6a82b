"""Chains of SNAP become entries of a pipeline."""

import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.snap.convert import Converted, Peers, convert
from penstock.compat.snap.elements.timing import every
from penstock.compat.snap.reader import read_snap
from penstock.compat.snap.syntax import Reference, Send


async def walk(n: int = 3) -> AsyncIterator[int]:
    for number in range(n):
        yield number


def show(item: Any) -> Any:
    return item


def maker(level: float = 0, how: Any = None) -> Callable[[Any], Any]:
    return lambda item: (level, how, item)


def changeable(*, level: float = 0) -> Callable[[Any], Any]:
    return lambda item: (level, item)


def defaulted(item: Any = None) -> Any:
    return item


class Buffer:
    def __init__(self, size: int = 1) -> None:
        self.size = size

    async def put(self, item: Any) -> None: ...

    async def get(self) -> Any: ...


class Stepper:
    def __init__(self, level: float = 0) -> None: ...

    def __call__(self, item: Any) -> Any: ...


class WithMethods(Stepper):
    def start(self) -> None: ...


class WithSimilarMethods(Stepper):
    def shutdown(self) -> None: ...


numbers = [1, 2, 3]
MADE = "penstock.compat.snap:made"
KNOWN = {
    "m.walk": walk,
    "m.show": show,
    "m.maker": maker,
    "m.changeable": changeable,
    "m.defaulted": defaulted,
    "m.Buffer": Buffer,
    "m.Stepper": Stepper,
    "m.WithMethods": WithMethods,
    "m.WithSimilarMethods": WithSimilarMethods,
    "m.numbers": numbers,
    "builtins.float": float,
    ".combine.Fisher": Stepper,
    ".timing.every": every,
    "snap.status.status_req": walk,
}


class Known:
    """Finds what stands above."""

    def find(self, reference: Reference) -> Any:
        return KNOWN.get(reference.name)

    def check_call(self, reference: Reference) -> None: ...


def converted(text: str, **peers: Any) -> Converted:
    return convert(read_snap(text, "a.yml").read(), Known(), Peers(**peers))


def tree(text: str, **peers: Any) -> dict[str, Any]:
    found = converted(text, **peers)
    assert not [problem for problem in found.problems if problem.level == "error"]
    return {key: value for key, value in found.tree.items() if key != "name"}


def problems(text: str) -> list[str]:
    return [f"{problem.level}: {problem}" for problem in converted(text).problems]


def test_a_chain_is_a_source_and_a_stage() -> None:
    assert tree("node: !Node [!chain:a [!from m.walk: {n: 2}, m.show, m.maker: {level: 3}]]") == {
        "sources": {"a_source": {"use": "m:walk", "n": 2}},
        "stages": {"a": {"from": "a_source", "steps": ["m:show", {"m:maker": {"level": 3}}]}},
    }


def test_both_grammars_give_the_same() -> None:
    v1 = """
    node:
      a: {source: {m.walk: {n: 2}}, steps: [m.show, {m.maker: {how: {obj@m.maker: {level: obj@m.show}}}}], to: [b, c]}
      b: {steps: [m.show], to: c}
      c: {steps: [m.Stepper: {}]}
    """
    v2 = """
    node: !Node
      - !chain:a [!from m.walk: {n: 2}, m.show, m.maker: {how: !obj:m.maker {level: NONE}}, !to [b, c]]
      - !chain:b [m.show, !to c]
      - !chain:c [m.Stepper: {}]
    """
    first, second = tree(v1), tree(v2)
    how = first["stages"]["a"]["steps"][1]["penstock.compat.snap:made"]["arguments"]["how"]
    assert how == {"object": "m:maker", "arguments": {"level": {"object": "m:show"}}}
    how["arguments"]["level"] = "NONE"
    assert first == second
    assert first["events"] == {"to_c": {"merge": ["a", "b"]}}


def test_a_chain_is_cut_where_it_sends() -> None:
    found = tree("""
    node: !Node
      - !chain:a [!from m.walk: {}, m.show, !to b, m.show, m.show, !to queue://c, m.maker: {}]
      - !chain:b [m.show]
      - !chain:c [m.show]
    """)
    assert found["stages"] == {
        "a": {"from": "a_source", "steps": ["m:show"]},
        "a_2": {"from": "a", "steps": ["m:show", "m:show"]},
        "a_3": {"from": "a_2", "steps": ["m:maker"]},
        "b": {"from": "a", "steps": ["m:show"]},
        "c": {"from": "a_2", "steps": ["m:show"]},
    }


def test_a_source_that_only_sends_is_read_by_all() -> None:
    found = tree("""
    node: !Node
      - !chain:a [!from m.walk: {}, !to [b, c]]
      - !chain:b [!to c]
      - !chain:c [m.show]
      - !chain:d [!from m.walk: {}, !to c]
    """)
    assert found == {
        "sources": {"a": {"use": "m:walk"}, "d": {"use": "m:walk"}},
        "events": {"to_c": {"merge": ["a", "d"]}},
        "stages": {"c": {"from": "to_c", "steps": ["m:show"]}},
    }


def test_a_queue_may_have_another_name_than_its_chain() -> None:
    found = tree("""
    node: !Node
      - !chain:a [!from events, m.show]
      - !chain:b [!from m.walk: {}, !to queue://events]
    """)
    assert found["stages"] == {"a": {"from": "b", "steps": ["m:show"]}}


def test_sockets_are_sources_and_sinks() -> None:
    found = tree("""
    node: !Node
      - !chain:a
        - !from tcp://127.0.0.1:9000
        - m.show
        - !to [b, "tcp://there:9001", "ipc:///run/x"]
      - !chain:b
        - .io.zmq.send: {address: [tcp://127.0.0.1:9002, tcp://127.0.0.1:9003]}
        - m.show
        - .io.hop.send: {address: kafka://dev.hop.scimma.org/topic, auth: false}
    """)
    assert found == {
        "sources": {"a_source": {"use": "zmq-pull", "bind": "tcp://127.0.0.1:9000"}},
        "stages": {
            "a": {"from": "a_source", "steps": ["m:show"]},
            "b": {"from": "a", "steps": ["m:show"]},
        },
        "sinks": {
            "a_to": {"from": "a", "use": "zmq-push", "connect": "tcp://there:9001"},
            "a_to_2": {"from": "a", "use": "zmq-push", "connect": "ipc:///run/x"},
            "b_to": {"from": "a", "use": "zmq-push", "connect": "tcp://127.0.0.1:9002"},
            "b_to_2": {"from": "a", "use": "zmq-push", "connect": "tcp://127.0.0.1:9003"},
            "b_to_3": {"from": "b", "use": "hopskotch", "url": "kafka://dev.hop.scimma.org/topic", "auth": False},
        },
    }


def test_an_open_socket_is_told() -> None:
    text = "node: !Node\n  - !chain:a [!from tcp://*:9000, m.show]"
    assert tree(text)["sources"]["a_source"]["open_to_network"] is True
    assert problems(text) == [
        (
            "warning: node (a.yml, line 2): whoever reaches this machine can send to tcp://*:9000; "
            "write tcp://127.0.0.1:PORT if senders are on this machine"
        )
    ]


def test_pickles_are_spoken_only_if_asked() -> None:
    text = "node: !Node [!chain:a [!from tcp://127.0.0.1:9000, !to tcp://127.0.0.1:9001]]"
    assert "snap-pickle" not in str(tree(text))
    found = tree(text, speak_pickle=True, allow=("m:Block",))
    assert found["sources"]["a"]["encoding"] == "snap-pickle"
    assert found["sources"]["a"]["allow"] == ["m:Block"]
    (told,) = converted(text, speak_pickle=True).problems
    assert told.level == "warning"
    assert "is no pickle, which is all that SNAP reads" in told.text


@pytest.mark.parametrize(
    ("element", "written"),
    [
        ("m.show", "m:show"),
        ("m.maker: {}", "m:maker"),
        ("m.maker: {level: 2}", {"m:maker": {"level": 2}}),
        ("m.Stepper: {level: 2}", {"m:Stepper": {"level": 2}}),
        ("m.Buffer: {size: 2}", {"m:Buffer": {"size": 2}}),
        # What a pipeline file calls besides items has another meaning in SNAP's modules, or none.
        ("m.WithMethods: {}", {MADE: {"object": "m:WithMethods", "arguments": {}}}),
        ("m.WithSimilarMethods: {}", {MADE: {"object": "m:WithSimilarMethods", "arguments": {}}}),
        # In a pipeline file a function whose argument may be left out makes a step.
        ("m.defaulted", {"penstock.compat.snap:made": {"object": "m:defaulted"}}),
        # and a class is made once, not called with each item.
        ("builtins.float", {"penstock.compat.snap:made": {"object": "builtins:float"}}),
        ("m.changeable: {level: 1}", {MADE: {"object": "m:changeable", "arguments": {"level": 1}}}),
        ("m.maker: {when: 1}", {"penstock.compat.snap:made": {"object": "m:maker", "arguments": {"when": 1}}}),
        (
            "m.maker: {how: [!obj:m.maker {}]}",
            {
                "penstock.compat.snap:made": {
                    "object": "m:maker",
                    "arguments": {"how": [{"object": "m:maker", "arguments": {}}]},
                }
            },
        ),
        ("not.found: {a: 1}", {MADE: {"object": "not:found", "arguments": {"a": 1}}}),
        (".timing.every: {seconds: 1}", {"penstock.compat.snap.elements.timing:every": {"seconds": 1}}),
        (".combine.Fisher: {}", "snap.elements.combine:Fisher"),
        (
            "snap.Parallel: {function: !obj:m.maker {level: 1}, executor: thread, max_workers: 2}",
            {
                "penstock.compat.snap:Parallel": {
                    "function": "m:maker",
                    "arguments": {"level": 1},
                    "executor": "thread",
                    "max_workers": 2,
                }
            },
        ),
    ],
)  # fmt: skip
def test_an_element_means_the_same(element: str, written: Any) -> None:
    text = f"node: !Node\n  - !chain:a\n    - !from m.walk: {{}}\n    - {element}\n"
    assert tree(text)["stages"]["a"]["steps"] == [written]


# Workers

OBJECTS = {
    "v1": {"maker": "{obj@m.maker: {level: 1}}", "show": "obj@m.show", "float": "obj@builtins.float"},
    "v2": {"maker": "!obj:m.maker {level: 1}", "defaulted": "!obj:m.maker {how: !obj:m.maker {}}"},
}
STEPS = {
    "maker": {"m:maker": {"level": 1}},
    "show": "m:show",
    "float": {MADE: {"object": "builtins:float"}},
    "defaulted": {MADE: {"object": "m:maker", "arguments": {"how": {"object": "m:maker", "arguments": {}}}}},
}


@pytest.mark.parametrize(("grammar", "function"), [(grammar, name) for grammar in OBJECTS for name in OBJECTS[grammar]])
def test_a_function_that_processes_call_gets_a_stage_of_its_own(grammar: str, function: str) -> None:
    parallel = f"snap.Parallel: {{function: {OBJECTS[grammar][function]}, executor: process, max_workers: 3}}"
    v1 = (
        f"node: {{a: {{source: {{m.walk: {{}}}}, steps: [m.show, {parallel}, m.show], to: b}}, b: {{steps: [m.show]}}}}"
    )
    v2 = f"node: !Node [!chain:a [!from m.walk: {{}}, m.show, {parallel}, m.show, !to b], !chain:b [m.show]]"
    assert tree(v1 if grammar == "v1" else v2)["stages"] == {
        "a": {"from": "a_source", "steps": ["m:show"]},
        "a_2": {
            "from": "a", "steps": [STEPS[function]], "workers": 3, "run_in": "process", "order": "free",
            "deadline_s": 86_400,
        },
        "a_3": {"from": "a_2", "steps": ["m:show"]},
        "b": {"from": "a_3", "steps": ["m:show"]},
    }  # fmt: skip


def test_there_are_as_many_workers_as_processors_unless_it_says_how_many() -> None:
    found = tree("""
    node: !Node
      - !chain:a
        - !from m.walk: {}
        - snap.Parallel: {function: !obj:m.maker {}, executor: process}
        - snap.parallel.Parallel: {function: !obj:m.maker {}, executor: process, max_workers: 1}
        - !to b
      - !chain:b [m.show]
    """)
    workers = {name: stage.get("workers") for name, stage in found["stages"].items()}
    assert workers == {"a": len(os.sched_getaffinity(0)), "a_2": 1, "b": None}
    assert [stage["from"] for stage in found["stages"].values()] == ["a_source", "a", "a_2"]


def test_workers_may_be_what_a_chain_is_read_from() -> None:
    parallel = "snap.Parallel: {function: !obj:m.maker {}, executor: EXECUTOR, max_workers: 2}"
    text = f"node: !Node [!chain:a [!from {parallel}, m.show], !chain:b [!from m.walk: {{}}, !to a]]"
    in_processes = tree(text.replace("EXECUTOR", "process"))["stages"]
    assert {name: (stage["from"], stage["steps"]) for name, stage in in_processes.items()} == {
        "a": ("b", ["m:maker"]),
        "a_2": ("a", ["m:show"]),
    }
    in_threads = tree(text.replace("EXECUTOR", "thread"))["stages"]
    assert in_threads["a"]["from"] == "b"
    assert "penstock.compat.snap:Parallel" in in_threads["a"]["steps"][0]


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("m.walk: {n: 1}", {"use": "m:walk", "n": 1}),
        ("m.walk", {"use": "m:walk"}),
        ("m.Buffer: {}", {"use": "m:Buffer"}),
        ("m.numbers", {"use": "penstock.compat.snap:made", "object": "m:numbers"}),
        ("m.walk: {slots: 1}", {"use": "penstock.compat.snap:made", "object": "m:walk", "arguments": {"slots": 1}}),
        (".timing.every: {seconds: 1}", {"use": "penstock.compat.snap.elements.timing:every", "seconds": 1}),
        ("snap.status.status_req: {address: a}", {"use": "penstock.compat.snap.status:status_req", "address": "a"}),
    ],
)
def test_a_source_means_the_same(source: str, written: Any) -> None:
    text = f"node: !Node\n  - !chain:a\n    - !from {source}\n    - m.show\n"
    assert tree(text)["sources"]["a_source"] == written


@pytest.mark.parametrize("grammar", ["v1", "v2"])
def test_a_buffer_that_is_a_source_takes_what_is_sent_to_it(grammar: str) -> None:
    v1 = "node: {a: {source: {m.Buffer: {size: 2}}, steps: [m.show]}, b: {source: {m.walk: {}}, to: a}}"
    v2 = "node: !Node [!chain:a [!from m.Buffer: {size: 2}, m.show], !chain:b [!from m.walk: {}, !to a]]"
    assert tree(v1 if grammar == "v1" else v2) == {
        "sources": {"b": {"use": "m:walk"}},
        "stages": {"a": {"from": "b", "steps": [{"m:Buffer": {"size": 2}}, "m:show"]}},
    }


def test_names_that_no_pipeline_may_have_are_changed() -> None:
    found = tree(
        "node: !Node [!chain:1.st part [!from m.walk: {}, m.show], !chain [!from m.walk: {}, m.show]]".replace(
            "1.st part", "1.st"
        )
    )
    assert list(found["stages"]) == ["_1_st", "walk"]


@pytest.mark.parametrize(
    ("chains", "said"),
    [
        (
            "- !chain:a [!from m.walk: {}, !to bb]\n  - !chain:b [m.show]",
            'error: a (a.yml, line 2): there is no chain "bb" to send to; did you mean "b"?',
        ),
        (
            "- !chain:a [!from m.walk: {}, !to c]\n  - !chain:c [!from m.walk: {}, m.show]",
            (
                'error: a (a.yml, line 2): "c" has a source of its own, so nothing can be sent to it; '
                "let the steps behind it be a chain without a source; those that can be sent to: none"
            ),
        ),
        (
            "- !chain:a [!from m.walk: {}, m.show]\n  - !chain:a [!from m.walk: {}, m.show]",
            (
                'error: node (a.yml, line 3): a chain "a" stands in line 2 too; '
                "they would share what is sent there by chance; give one of them another name"
            ),
        ),
        (
            "- !chain:a [!from x, m.show]\n  - !chain:b [!from x, m.show]\n  - !chain:c [!from m.walk: {}, !to x]",
            'error: node (a.yml, line 3): "x" is read by the chain of line 2 too; let one of them send to the other',
        ),
        (
            "- !chain [m.show]\n  - !chain:a [!from m.walk: {}, m.show]",
            "error: node (a.yml, line 2): a chain without a source has no name; write !chain:NAME, or !from",
        ),
        (
            "- !chain:a [!from m.walk: {}, !to udp://127.0.0.1:9000]",
            (
                "error: a (a.yml, line 2): udp:// is not spoken here; "
                "write tcp:// or ipc://; within a node send to a chain by its name"
            ),
        ),
        (
            "- !chain:a [!from m.walk: {}, !to tpc://127.0.0.1:9000]",
            'error: a (a.yml, line 2): "tpc://127.0.0.1:9000" is no address; did you mean "tcp"?',
        ),
        (
            "- !chain:a [!from m.walk: {}, !to b]\n  - !chain:b [!to c]\n  - !chain:c [!to b, m.show]",
            (
                "error: c (a.yml, line 4): what is sent here would run in a circle: c → b → c; "
                "let one of them send elsewhere"
            ),
        ),
        (
            "- !chain:a [!from m.walk: {}, m.show]\n  - !chain:b [m.show, !to c]\n  - !chain:c [m.show]",
            'warning: b (a.yml, line 3): nothing is sent to "b", so this is left out',
        ),
    ],
)
def test_what_cannot_be_meant_is_told(chains: str, said: str) -> None:
    assert said in problems(f"node: !Node\n  {chains}")


def test_chains_that_get_nothing_are_left_out() -> None:
    found = tree(
        "node: !Node [!chain:a [!from m.walk: {}, m.show], !chain:b [m.show, !to c], !chain:c [m.show, !to b]]"
    )
    assert list(found["stages"]) == ["a"]


@st.composite
def nodes(draw: st.DrawFn) -> str:
    """Draw a node in which chains send to later ones only, and never to one that has a source."""
    has_source = [True, *draw(st.lists(st.booleans(), min_size=1, max_size=5))]
    lines = ["node: !Node"]
    for n, has in enumerate(has_source):
        lines += [f"  - !chain:c{n}"] + ["    - !from m.walk: {}"] * has
        targets = [f"    - !to c{k}" for k, other in enumerate(has_source) if k > n and not other]
        lines += draw(st.lists(st.sampled_from(["    - m.show", *targets]), min_size=1, max_size=4))
    return "\n".join(lines)


@given(nodes())
def test_what_reaches_a_chain_is_what_is_sent_to_it(text: str) -> None:
    node = read_snap(text, "a.yml").read()
    found = convert(node, Known())
    assert all(problem.level == "warning" for problem in found.problems)
    own = {chain.name for chain in node.chains if chain.source is not None}
    sent = {
        (chain.name, address)
        for chain in node.chains
        for element in chain.elements
        if isinstance(element, Send)
        for address in element.addresses
    }
    expected = {chain.name: _before(chain.name, sent) & own for chain in node.chains}
    for name, entry in found.tree.get("stages", {}).items():
        sources = {source.removesuffix("_source") for source in _sources(found.tree, entry["from"])}
        assert sources == expected[name.partition("_")[0]]
    living = {name for name, sources in expected.items() if sources}
    with_steps = {c.name for c in node.chains if any(isinstance(each, Reference) for each in c.elements)}
    assert {name.partition("_")[0] for name in found.tree.get("stages", {})} == living & with_steps


def _before(name: str, sent: set[tuple[str, str]]) -> set[str]:
    """Return a chain and all from which something comes to it."""
    return {name}.union(*(_before(sender, sent) for sender, target in sent if target == name))


def _sources(tree: dict[str, Any], name: str) -> set[str]:
    if name in tree["sources"]:
        return {name}
    before = tree["events"][name]["merge"] if name in tree.get("events", {}) else [tree["stages"][name]["from"]]
    return {source for each in before for source in _sources(tree, each)}
