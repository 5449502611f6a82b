"""Mistakes in pipeline files: each one message that says the path, the line, what is wrong and what would be right."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CheckError
from penstock.pipeline.check import Checked, check, check_file
from penstock.pipeline.document import Document
from penstock.pipeline.spec_reader import SECTIONS
from tests.unit.pipeline.conftest import Check, Write

GOOD = """\
name: good
sources:
  cam: {use: stins, connect: "tcp://127.0.0.1:5555"}
  motor: {use: contrast, connect: "tcp://127.0.0.1:5557"}
events:
  scan: {join: [cam, motor], by: order}
stages:
  fit: {from: scan, map: {mine:Fit: {lines: [Fe]}}, workers: 2}
  total: {from: fit, reduce: mine:Total}
sinks:
  out: {use: print, from: total}
"""


def test_the_good_one_is_good(checked: Check) -> None:
    found = checked(GOOD)
    assert not found.problems
    assert found.plan is not None
    assert list(found.plan.sources) == ["cam", "motor"]


# (what is replaced, by what, path, what is wrong, what would be right); the line is that of the replacement
GRAMMAR = [
    ("name: good", "nam: good", "nam", '"nam" is no part of a pipeline', 'did you mean "name"?'),
    ("name: good", "name: 3", "name", "a text is wanted", 'write name: "3"'),
    ("cam: {use: stins,", "cam: {stins:,", "sources.cam.use", "one name is wanted", "use: NAME"),
    (
        "cam: {use: stins,",
        "cam: {use: stins, record: maybe,",
        "sources.cam.record",
        "does not say whether",
        "true, false",
    ),
    ("cam: {use: stins,", "cam: {use: stins, when: end,", "sources.cam.when", '"when" does not belong here', "record"),
    (
        "cam: {use: stins,",
        "cam: {use: stins, when_full: drop,",
        "sources.cam.when_full",
        "is not one of the values",
        "drop_newest",
    ),
    ("cam: {use: stins,", "cam: {use: 5,", "sources.cam.use", "5 is no name", "module:object"),
    ("join: [cam, motor]", "join: cam", "events.scan.join", "a list is wanted", "write [cam]"),
    ("by: order", "by: trigger", "events.scan.by", '"trigger" is no way to join', 'did you mean "trigger-map"?'),
    ("by: order", "by: {key: {rorder: 3}}", "events.scan.by.key.rorder", "is no key here", 'did you mean "reorder"?'),
    (
        "by: order",
        "by: {timestamp: {window_ms: 0}}",
        "events.scan.by.timestamp.window_ms",
        "0 is not allowed",
        "more than 0",
    ),
    (
        "by: order",
        "by: {trigger-map: {rule: every-event, open: true}}",
        "events.scan.by",
        "appended to a rule",
        "leave out open",
    ),
    ("by: order", "by: {trigger-map: {rule: all}}", "events.scan.by.trigger-map.rule", "is no rule", "every-event"),
    (
        "by: order",
        "by: {trigger-map: {file: a, rule: every-event}}",
        "events.scan.by",
        "comes from one place",
        "keep one",
    ),
    ("by: order", "incomplete: pass", "events.scan", '"by" is missing', "write by"),
    (
        "by: order",
        "by: order, incomplete: pas",
        "events.scan.incomplete",
        '"pas" is not one of the values',
        'did you mean "pass"?',
    ),
    ("by: order", 'by: order, wait_s: "2"', "events.scan.wait_s", '"2" is not a number', "without quotes"),
    ("by: order", "by: order, wait_s: -1", "events.scan.wait_s", "-1 is not allowed", "at least 0"),
    ("by: order", "by: order, wait: 1", "events.scan.wait", '"wait" is no key here', 'did you mean "wait_s"?'),
    (
        "scan: {join: [cam, motor], by: order}",
        "scan: {by: order}",
        "events.scan",
        "either join or merge",
        "join: [a, b]",
    ),
    ("map: {mine:Fit: {lines: [Fe]}}, workers: 2", "workers: 2", "stages.fit", "it has none of them", "module:object"),
    ("map: {mine:Fit", "reduce: mine:Total, map: {mine:Fit", "stages.fit", "it has map and reduce", "a stage of each"),
    ("workers: 2", "workers: 0", "stages.fit.workers", "0 is not allowed", "at least 1"),
    ("workers: 2", "workers: 2.5", "stages.fit.workers", "2.5 is not a whole number", ""),
    ("workers: 2", "workers: true", "stages.fit.workers", "True is not a whole number", ""),
    ("workers: 2", "workers: {to: 0}", "stages.fit.workers.to", "0 is not allowed", "at least 1"),
    ("workers: 2", "workers: {from: 1}", "stages.fit.workers", '"to" is missing', "write to"),
    ("workers: 2", "workers: {from: 3, to: 2}", "stages.fit.workers", "no number of workers", "{from: 2, to: 3}"),
    ("workers: 2", "workers: {form: 1, to: 2}", "stages.fit.workers.form", "is no key here", 'did you mean "from"?'),
    ("workers: 2", "workers: {to: 2, grow_s: 0}", "stages.fit.workers.grow_s", "0 is not allowed", "at least 0.1"),
    ("workers: 2", "workers: {to: 2, shrink_s: 0}", "stages.fit.workers.shrink_s", "0 is not allowed", "more than 0"),
    ("workers: 2", "deadline_s: 0", "stages.fit.deadline_s", "0 is not allowed", "more than 0"),
    ("workers: 2", "deadline_s: .inf", "stages.fit.deadline_s", "inf is not a finite number", ""),
    ("workers: 2", "prefetch: 0", "stages.fit.prefetch", "0 is not allowed", "at least 1"),
    ("workers: 2", "trips: 0", "stages.fit.trips", "0 is not allowed", "at least 1"),
    ("workers: 2", "restarts: {most: -1}", "stages.fit.restarts.most", "-1 is not allowed", "at least 0"),
    ("workers: 2", "restarts: {within_s: 0}", "stages.fit.restarts.within_s", "0 is not allowed", "more than 0"),
    ("workers: 2", "checkpoint_s: 1", "stages.fit.checkpoint_s", "only of reduce", "remove checkpoint_s"),
    (
        "reduce: mine:Total",
        "reduce: mine:Total, prefetch: 3",
        "stages.total.prefetch",
        "only of map",
        "remove prefetch",
    ),
    ("workers: 2", "worker: 2", "stages.fit.worker", '"worker" is no key here', 'did you mean "workers"?'),
    ("workers: 2", "order: Kept", "stages.fit.order", '"Kept" is not one of the values', 'did you mean "kept"?'),
    ("workers: 2", "tags: debug", "stages.fit.tags", "a list is wanted", "write [debug]"),
    ("workers: 2", "parameters: [1]", "stages.fit.parameters", "is not a mapping", "a mapping"),
    (
        "reduce: mine:Total",
        "reduce: mine:Total, workers: 3",
        "stages.total.workers",
        "a reducer is one",
        "remove workers",
    ),
    ("{lines: [Fe]}", "{when: 3}", "stages.fit.map.mine:Fit.when", "is a word of the pipeline file", "rename"),
    ("{lines: [Fe]}", "{2: 3}", "stages.fit.map", "2 cannot be the name of an argument", "a word of letters"),
    ("from: total}", "from: total, when: ends}", "sinks.out.when", "is no time to write", "every_s"),
    ("from: total}", "from: total, when: {evry_s: 5}}", "sinks.out.when.evry_s", "is no key here", ""),
    ("out: {use: print, from: total}", "out: print", "sinks.out", "keys are wanted", "from"),
    ("  out: {use", "  o.ut: {use", "sinks.o.ut", "a name has no dots", "letters, digits"),
    ("  out: {use", "  cam: {use", "sinks.cam", '"cam" is also a name in sources (line 3)', "another name"),
]
CONNECTIONS = [
    ("from: scan", "from: scna", "stages.fit.from", 'there is no "scna"', 'did you mean "scan"?'),
    ("from: scan", "from: out", "stages.fit.from", "a sink, out of which nothing comes", "read from"),
    ("from: fit", "from: total", "stages.total.from", "a reducer, whose views only sinks read", "read from"),
    (
        "from: scan",
        "from: {high: cam, low: moter}",
        "stages.fit.from.low",
        'there is no "moter"',
        'did you mean "motor"?',
    ),
    ("join: [cam, motor]", "join: [cam, fit]", "events.scan.join[1]", "a join cannot read from", "cam or motor"),
    ("join: [cam, motor]", "join: [cam, cam]", "events.scan.join[1]", "is named twice", "once"),
    (
        "by: order",
        "by: {timestamp: {hold: [cam]}}",
        "events.scan.by.timestamp.hold[0]",
        "comes first in the join",
        "first",
    ),
    (
        "by: order",
        "by: {key: {ranges: [mtor]}}",
        "events.scan.by.key.ranges[0]",
        "is no stream of this join",
        '"motor"',
    ),
    (
        "from: total}",
        "from: fit, where: is_hit}",
        "sinks.out.where",
        "is not of the form stage.field",
        "name a map stage",
    ),
    ("from: total}", "from: cam, where: fti.is_hit}", "sinks.out.where", 'there is no "fti"', 'did you mean "fit"?'),
    ("from: total}", "from: cam, where: total.x}", "sinks.out.where", "a field of results is wanted", "a map stage"),
    ("from: total}", "from: fit.high}", "sinks.out.from", 'fit has no lane "high"', "write from: fit"),
    ("from: total}", "from: total, when: item}", "sinks.out.when", "views have no items", "change"),
    (
        "from: scan",
        "from: scan}\n  other: {from: cam, steps: [count]}\n  third: {from: other",
        "stages.total.from",
        "",
        "",
    ),
]
CAM = 'cam: {use: stins, connect: "tcp://127.0.0.1:5555"}'
ELEMENTS = [
    ("use: print", "use: prnt", "sinks.out", 'there is no sink "prnt"', 'did you mean "print"?'),
    ("use: print", "use: threshold", "sinks.out", 'there is no sink "threshold"', "one of the steps"),
    ("use: stins", "use: mine:nothing", "sources.cam", 'mine has no "nothing"', ""),
    ("use: stins", "use: mien:Fit", "sources.cam", 'there is no module "mien"', 'did you mean "mine"?'),
    ("use: stins", "use: 'mine:'", "sources.cam", "is not of the form module:object", "a colon"),
    ("use: stins", "use: mine:Fit", "sources.cam", "mine:Fit is no source", "subclass"),
    ("connect:", "conect:", "sources.cam", "needs the argument", "connect"),
    ("lines: [Fe]", "line: [Fe]", "stages.fit.map.mine:Fit.line", 'has no argument "line"', 'did you mean "lines"?'),
    (CAM, "cam: {use: mine:Camera, images: many}", "sources.cam.images", "'many' is refused (input should be", ""),
    (CAM, "cam: {use: mine:Camera, images: 3.5}", "sources.cam.images", "a valid integer); expected int", ""),
    (CAM, "cam: {use: mine:Camera, images: 3, rate: 5}", "sources.cam.rate", 'no argument "rate"', '"rate_hz"?'),
    (CAM, "cam: {use: mine:Camera}", "sources.cam", 'Camera needs the argument "images"', "write {images: …}"),
    (CAM, "cam: {use: stins, connect: 5}", "sources.cam.connect", "5 is refused", ""),
    ("use: print,", "use: mine:Writer, path: 5,", "sinks.out.path", "a valid string); expected str", ""),
    ("use: print,", "use: mine:Writer, path: a, digits: x,", "sinks.out.digits", "expected int", ""),
    ("use: print,", "use: mine:Writer, digit: 2,", "sinks.out.digit", 'no argument "digit"', '"digits"?'),
    ("use: print,", "use: mine:Writer,", "sinks.out", 'Writer needs the argument "path"', "write {path: …}"),
    ("use: print,", "use: hdf5, existing: overwrite,", "sinks.out.existing", "'next' | 'refuse' | 'replace'", ""),
    (
        "  total:",
        "  show: {from: fit, steps: [{print: {prefix: 3}}]}\n  total:",
        "stages.show.steps[0].print.prefix",
        "3 is refused (input should be a valid string)",
        "",
    ),
    ("lines: [Fe]", "roi: text", "stages.fit.map.mine:Fit.roi", "is refused", ""),
    (
        "workers: 2",
        "parameters: {rio: 1}",
        "stages.fit.parameters.rio",
        'has no parameter "rio"',
        'did you mean "roi"?',
    ),
    (
        "lines: [Fe]}}",
        "roi: 1}}, parameters: {roi: 2}",
        "stages.fit.parameters.roi",
        "among the arguments too",
        "one of them",
    ),
    (
        "map: {mine:Fit: {lines: [Fe]}}",
        "map: mine:brightness",
        "stages.fit.map",
        "is annotated Message",
        "annotate it Event",
    ),
    (
        "map: {mine:Fit: {lines: [Fe]}}",
        "map: {mine:either: 3}",
        "stages.fit.map.mine:either",
        "could be item or factor",
        "{factor: …}",
    ),
    (
        "reduce: mine:Total",
        "reduce: {mine:Total: 3}",
        "stages.total.reduce.mine:Total",
        "it takes no argument",
        "remove",
    ),
    (
        "use: print, from: total",
        'use: hdf5, from: total, path: "{rnu}.h5"',
        "sinks.out.path",
        "nothing is called {rnu}",
        '"{run}"',
    ),
]


def line_of(text: str, path: str) -> int:
    """Return the line in which the innermost key of a path that has a line of its own stands."""
    keys = [key for key in path.replace("[", ".[").split(".") if not key.startswith("[")]
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"{keys[0]}:"))
    if len(keys) == 1:
        return start + 1
    return next(n for n in range(start + 1, len(lines)) if lines[n].strip().startswith(f"{keys[1]}")) + 1


@pytest.mark.parametrize(("old", "new", "path", "says", "remedy"), [*GRAMMAR, *CONNECTIONS[:-1], *ELEMENTS])
def test_a_mistake_has_one_message(checked: Check, old: str, new: str, path: str, says: str, remedy: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    found = checked(text)
    assert found.plan is None
    about = [problem for problem in found.of_level("error") if problem.where == path]
    assert about, [str(problem) for problem in found.problems]
    problem = next((each for each in about if says in each.text), about[0])
    assert says in problem.text
    assert remedy in problem.remedy
    assert problem.file.endswith("pipeline.yaml")
    assert problem.line == line_of(text, path)


def test_arguments_that_are_right_are_taken(checked: Check) -> None:
    text = GOOD.replace(CAM, "cam: {use: mine:Camera, images: 3, rate_hz: 5}")
    assert not checked(text.replace("use: print,", "use: mine:Writer, path: a, digits: 2,")).of_level("error")


def test_a_wrong_address_is_told_once(checked: Check) -> None:
    (problem,) = checked(GOOD.replace(CAM, "cam: {use: stins, connect: 5}")).of_level("error")
    assert problem.text == "5 is refused (input should be a valid string); expected str"


def test_all_mistakes_come_at_once(checked: Check) -> None:
    text = (
        GOOD.replace("by: order", "by: ordr").replace("workers: 2", "wrkers: 2").replace("from: total", "form: total")
    )
    found = {problem.where: problem.remedy for problem in checked(text).of_level("error")}
    assert {"events.scan.by", "stages.fit.wrkers", "sinks.out"} <= set(found)
    assert found["sinks.out"] == 'write "from" instead of "form"'


def test_one_mistake_is_reported_once(checked: Check) -> None:
    """What reads from a faulty entry is not reported for it."""
    errors = checked(GOOD.replace("by: order", "by: ordr")).of_level("error")
    assert [problem.where for problem in errors] == ["events.scan.by"]


def test_a_circle_is_spelled_out(checked: Check) -> None:
    text = GOOD + "x-none: 0\n"
    text = text.replace(
        "  total:",
        "  a: {from: c, steps: [count]}\n  b: {from: a, steps: [count]}\n  c: {from: b, steps: [count]}\n  total:",
    )
    (problem,) = checked(text).of_level("error")
    assert "would run in a circle: a → b → c → a" in problem.text
    assert problem.line == 9


def test_a_merge_that_feeds_itself_is_a_circle(checked: Check) -> None:
    text = GOOD.replace("by: order}", "by: order}\n  both: {merge: [cam, again]}\n  again: {merge: [both, motor]}")
    (problem,) = checked(text).of_level("error")
    assert "both" in problem.text
    assert problem.line in (7, 8)


@pytest.mark.parametrize(
    ("code", "says", "line"),
    [
        ("import penstock.core\n\nx = 1 / 0\n", "broken.py, line 3): ZeroDivisionError: division by zero", 3),
        ("def f(:\n    pass\n", "broken.py, line 1): SyntaxError", 1),
        ("import nothing_like_this\n", "No module named 'nothing_like_this'", 1),
        ("import sys\nsys.exit('bye')\n", "SystemExit: bye", 2),
        (
            "from penstock.elements import ZmqSource\n\n\nclass Counter(ZmqSource):\n    decoder = 5\n",
            "broken.py, line 4): TypeError: Counter.decoder is a int; write decoder = the class of a Decoder",
            4,
        ),
    ],
)
def test_a_module_that_breaks_says_where(checked: Check, code: str, says: str, line: int) -> None:
    found = checked(GOOD.replace("reduce: mine:Total", "reduce: broken:Total"), broken__py=code)
    (problem,) = found.of_level("error")
    assert problem.where == "stages.total.reduce"
    assert problem.line == 9
    assert says in problem.text
    assert f"line {line}" in problem.remedy


def test_a_source_without_a_decoder_says_so(checked: Check) -> None:
    code = "from penstock.elements import ZmqSource\n\n\nclass Counter(ZmqSource):\n    pass\n"
    text = GOOD.replace("use: stins", "use: own:Counter").replace("order", "key").replace("[cam, motor]", "[cam]")
    (problem,) = checked(text, own__py=code).of_level("error")
    assert (problem.where, problem.line, problem.text) == ("sources.cam", 3, "own:Counter names no decoder")
    assert "write decoder = the class" in problem.remedy


def test_a_recording_of_ones_own_protocol_is_checked(checked: Check) -> None:
    text = GOOD.replace(
        'use: stins, connect: "tcp://127.0.0.1:5555"', "use: recording, file: a.cbors, protocol: own:Camera"
    )
    code = "from penstock.elements import Decoder, Traits\n\n\nclass Camera(Decoder):\n"
    (problem,) = checked(text, own__py=f"{code}    feed = None\n").of_level("error")
    assert (problem.where, problem.text) == ("sources.cam.protocol", "own:Camera: Camera has no traits")
    assert not checked(text.replace("own:", "owm:"), owm__py=f"{code}    feed, traits = None, Traits()\n").problems


def test_two_folders_may_have_modules_of_one_name(tmp_path: Path) -> None:
    plans = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine_too.py").write_text(f"def step(item):\n    return {name!r}\n")
        file = tmp_path / name / "p.yaml"
        file.write_text(
            "sources: {c: {use: contrast, connect: 'tcp://x:1'}}\nstages: {s: {from: c, steps: [mine_too:step]}}\n"
        )
        plan = check_file(file).plan
        assert plan is not None
        plans.append(plan)
    assert [plan.stages["s"].elements[0].target(0) for plan in plans] == ["a", "b"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: \xe4"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(content)
    with pytest.raises(CheckError, match="not UTF-8 text; save it as UTF-8"):
        check_file(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="cannot be read: No such file"):
        check_file(tmp_path / "none.yaml")


def test_a_list_is_no_pipeline(write: Write) -> None:
    with pytest.raises(CheckError, match="a mapping of keys, not a list"):
        check_file(write("- a\n- b\n"))


def test_an_empty_file_needs_a_source(checked: Check) -> None:
    (problem,) = checked("").problems
    assert "a pipeline needs a source" in problem.text


WORDS = """
name sources events stages sinks join merge by order key timestamp trigger-map from map reduce steps use when where
every_s workers tags parameters record count print hdf5 stins mine:Fit a b c a.b include serve alarms << wait_s
"""
words = st.sampled_from(WORDS.split())
keys = words | st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4)
leaves = keys | st.floats()
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
)
sections = st.fixed_dictionaries({}, optional=dict.fromkeys(SECTIONS, trees))


@given(sections)
def test_any_tree_is_checked(tree: dict[str, Any]) -> None:
    found = check(Document(tree=tree), cores=os.cpu_count())
    assert isinstance(found, Checked)
    assert found.plan is not None or any(problem.level == "error" for problem in found.problems)
    assert all(problem.text for problem in found.problems)


def test_a_mistake_in_an_entry_hides_none_in_its_other_keys(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "sources:\n"
        "  pcap: {use: pandabox, connect: 'tcp://panda'}\n"
        "events:\n"
        "  scan: {join: [pcap, x4], by: order, incomplete: maybe, wait: 3}\n"
        "stages:\n"
        "  fit: {from: scna, map: nothere:F, workers: two}\n"
    )
    found = {problem.where: problem for problem in check_file(file).problems}
    assert set(found) == {
        "sources.pcap.connect", "events.scan.join[1]", "events.scan.incomplete", "events.scan.wait",
        "stages.fit.from", "stages.fit.map", "stages.fit.workers",
    }  # fmt: skip
    assert str(found["sources.pcap.connect"]).endswith('port missing in "tcp://panda"; write "tcp://panda:8888"')


def test_a_sink_of_views_is_not_given_items(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "sources:\n  c: {use: contrast, connect: 'tcp://x:1'}\nstages:\n  n: {from: c, steps: [count]}\n"
        "sinks:\n  f: {use: hdf5, from: n, path: a.h5}\n"
    )
    (problem,) = check_file(file).problems
    assert problem.where == "sinks.f.from"
    assert "hdf5 writes views, not items; put a reduce stage before it" in str(problem)


def test_one_mistake_is_not_told_twice(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "sources:\n  c: {use: recording, file: '${NOWHERE_TO_BE_SEEN}/a.cbors', protocol: contrast}\n"
        "stages:\n  s: {from: c, reduce: no_such_module:Sum}\nsinks:\n  f: {use: hdf5, from: s, path: a.h5}\n"
    )
    told = [problem.where for problem in check_file(file).problems]
    assert told == ["sources.c.file", "stages.s.reduce"], "neither what the file is then, nor what s publishes"
