"""The desk: every command is answered once, does nothing twice, and is held against how things are."""

from dataclasses import replace
from typing import Any

import pytest

from penstock.core.command import COMMANDS, Command, Reply
from penstock.core.feedback import Said
from penstock.core.states import State
from penstock.errors import CommandError, ParameterError, PenstockError, StateError
from penstock.services import command_audit, control_desk
from penstock.services.command_audit import CommandAudit
from penstock.services.control_desk import ControlDesk
from penstock.wire.notices import encode_notice
from tests.unit.services.commanded_cases import PLAN, FakeRun, Operator


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.mark.parametrize(
    ("command", "done"),
    [
        (("start",), ["release clean", "release fit", "release camera", "release motors"]),
        (("stop",), ["hold camera", "hold motors", "hold clean", "hold fit"]),
        (("stop", "all"), ["hold camera", "hold motors", "hold clean", "hold fit"]),
        (("stop", "demo"), ["hold camera", "hold motors", "hold clean", "hold fit"]),
        (("stop", "camera"), ["hold camera"]),
        (("start", "image"), ["release image"]),
        (("start-data",), ["release camera", "release motors"]),
        (("stop-data", "pipeline"), ["hold camera", "hold motors"]),
        (("stop-data", "motors"), ["hold motors"]),
        (("start-processing", "fit"), ["release fit"]),
        (("stop-processing",), ["hold clean", "hold fit"]),
        (("reset",), ["hold camera", "hold motors", "hold clean", "hold fit", "discard"]),
        (("drain",), ["drain drained on command by me (aborted)"]),
        (("finish",), ["drain finished on command by me (None)"]),
        (("abort",), ["abort aborted on command by me"]),
        (("shutdown",), ["abort shut down on command by me"]),
        (("clean-shutdown",), ["drain drained on command by me (aborted)"]),
        (("restart", "fit-1"), ["restart fit-1"]),
    ],
)
def test_a_command_does_what_it_says(operator: Operator, command: tuple[str, ...], done: list[str]) -> None:
    reply = operator.said(*command, who="me")
    assert (reply.outcome, reply.problem, reply.name) == ("done", "", command[0])
    assert reply.text
    assert operator.run.done == done


def test_arguments_reach_the_run(operator: Operator) -> None:
    assert operator.said("scale", "fit", workers=3).text == "fit shall have 3 workers"
    assert operator.said("scale", "fit", workers="auto").text == "fit shall have as many as there is work for"
    assert operator.said("drain", reason="beam is gone").is_done
    assert operator.run.done == ["scale fit 3", "scale fit auto", "drain beam is gone (aborted)"]


def test_parameters_may_be_named_from_their_stage(operator: Operator) -> None:
    reply = operator.said("set", values={"fit.roi": 3}, who="me")
    assert (reply.body["revision"], reply.body["from_event"], reply.body["values"]) == (1, 7, {"fit.roi": 3})
    assert reply.text == "fit.roi = 3 from event 7 on, revision 1"
    assert operator.said("set", "fit", values={"roi": 4}).body["values"] == {"fit.roi": 4}
    unknown = operator.said("set", values={"rio": 3})
    assert (unknown.outcome, unknown.problem) == ("refused", "unknown")


def test_everything_that_is_held_is_said_and_released(operator: Operator) -> None:
    assert operator.said("stop-data").text == "camera and motors held"
    assert operator.said("stop-data").text == "camera and motors already held"
    assert operator.said("stop-processing", "image").text == "image held"
    states = {each["name"]: each["why"] for each in operator.said("status").body["states"]}
    assert states == {
        "demo": "as the test says", "camera": "held", "motors": "held", "clean": "", "fit": "", "fit-0": "",
        "fit-1": "", "image": "held",
    }  # fmt: skip
    assert operator.said("start").text == "image, camera and motors released"
    assert operator.said("start").text == "nothing was held"


def test_a_start_that_comes_before_anybody_is_there_releases_the_reducers_too(operator: Operator) -> None:
    operator.run.of = dict.fromkeys((*PLAN.sources, *PLAN.stages), State.INITIALISED)
    assert operator.said("start").text == "whatever was held goes on as soon as it is there"
    assert operator.run.done == [f"release {name}" for name in ("clean", "fit", "image", "camera", "motors")]


def test_what_waits_before_a_held_stage_comes_out_with_the_end(operator: Operator) -> None:
    operator.said("stop")
    operator.run.done.clear()
    operator.run.of["image"] = State.INITIALISED  # which does not say whether it is held
    operator.said("finish")
    released = ["release clean", "release fit", "release image"]
    assert operator.run.done == [*released, "drain finished on command (None)"]


def test_alarms_are_seen_acknowledged_and_muted(operator: Operator) -> None:
    assert operator.said("alarms").text == "2 alarms, normal"
    operator.run.alarms.look(operator.run.report())
    reply = operator.said("alarms")
    assert (reply.text, [each["name"] for each in reply.body["alarms"]]) == ("2 alarms: hot is raised", ["hot", "fit"])
    muted = operator.said("mute", "hot", who="shift", for_s=3600)
    assert muted.text == "nobody is told of hot until 1970-01-01T01:00:01.000000000Z"
    assert (muted.body["muted_by"], muted.body["state"]) == ("shift", "raised")
    assert operator.said("unmute", "hot").body["muted_until"] is None
    known = operator.said("acknowledge", "hot", who="shift")
    assert (known.text, known.body["acknowledged_by"]) == ("hot is acknowledged by shift", "shift")
    assert operator.said("mute", "fit", for_s=1).is_done, "it is no stage's, though one has its name"
    assert operator.run.done == []
    assert [each.name for each in operator.desk.records()] == ["mute", "unmute", "acknowledge", "mute"]
    history = operator.said("alarms").body["history"]
    assert [(each["what"], each["who"]) for each in history[1:]] == [
        ("acknowledged", "shift"), ("unmuted", ""), ("muted", "shift"), ("raised", ""),
    ]  # fmt: skip


def test_a_pipeline_without_alarms_says_so() -> None:
    operator = Operator(begins=False)
    operator.desk.begin(operator.run, replace(PLAN, alarms={}), "r1")
    reply = operator.said("acknowledge", "hot")
    assert (reply.problem, "this pipeline has no alarms" in reply.text) == ("state", True)
    assert not {"acknowledge", "mute", "unmute"} & set(reply.allowed)


def test_reset_says_how_much_was_given_up(operator: Operator) -> None:
    assert operator.said("reset").text == "everything is held, and 25 items given up"


@pytest.mark.parametrize(
    ("command", "problem", "said"),
    [
        (("strat",), "unknown", 'did you mean "start"?'),
        (("stop-data", "camra"), "unknown", 'did you mean "camera"?'),
        (("stop", "nobody at all"), "unknown", "there are the pipeline, camera, motors, clean, fit and image"),
        (("stop-data", "fit"), "argument", "not for a stage, which fit is; there are the pipeline, camera and motors"),
        (("start-processing", "camera"), "argument", "not for a source"),
        (("restart",), "argument", "restart needs a target: there are fit-0 and fit-1"),
        (("restart", "fit"), "argument", "there are fit-0 and fit-1"),
        (("restart", "fit-7"), "unknown", 'did you mean "fit-'),
        (("drain", "fit"), "argument", "drain is not for a stage, which fit is; leave the target out"),
        (("drain", "nobody"), "unknown", "no pipeline is called 'nobody'; leave the target out"),
        (("rotate-logs",), "state", "writes no logs; allowed now: start, "),
        (("mute",), "argument", "mute lacks for_s"),
        (("acknowledge",), "argument", "acknowledge needs a target: there are hot and fit"),
        (("acknowledge", "hto"), "unknown", "no alarm is called 'hto'; did you mean \"hot\"?"),
        (("unmute", "camera"), "unknown", "no alarm is called 'camera'"),
        (("alarms", "hot"), "unknown", "no pipeline is called 'hot'; leave the target out"),
        (("acknowledge", "hot"), "argument", "alarm hot is normal; there is nothing to acknowledge"),
        (("arm",), "state", "a run goes on; another one can begin when it has ended"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(
    operator: Operator, command: tuple[str, ...], problem: str, said: str
) -> None:
    reply = operator.said(*command)
    assert (reply.outcome, reply.problem) == ("refused", problem)
    assert said in reply.text
    assert operator.run.done == []


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("state", [state for state in State if state is not State.STOPPED])
def test_a_refusal_names_the_state_and_what_is_allowed(operator: Operator, name: str, state: State) -> None:
    operator.run.state = state
    needed: dict[str, dict[str, Any]] = {
        "set": {"values": {"fit.roi": 1}}, "scale": {"workers": 2}, "mute": {"for_s": 1},
    }  # fmt: skip
    arguments = needed.get(name, {})
    operator.run.alarms.look(operator.run.report())
    reply = operator.said(
        name,
        {"scale": "fit", "restart": "fit-0", "mute": "hot", "unmute": "hot", "acknowledge": "hot"}.get(name, ""),
        **arguments,
    )
    if state in COMMANDS[name].states and name != "rotate-logs":
        assert reply.is_done
        return
    # What is broken does not keep its parts from being scaled.
    assert (reply.outcome, reply.problem, operator.run.done) == ("refused", "state", [])
    assert name not in reply.allowed
    assert "status" in reply.allowed
    assert f"allowed now: {', '.join(reply.allowed[:-1])} and {reply.allowed[-1]}" in reply.text
    if name not in ("arm", "rotate-logs"):
        assert f"{name} is refused: demo is {state}, as the test says" in reply.text
        assert reply.state == state


def test_what_is_broken_is_not_started_and_others_are(operator: Operator) -> None:
    operator.run.state = State.FAULT
    operator.run.of["camera"] = State.FAULT
    assert "start is refused: demo is fault" in operator.said("start").text
    assert "start-data is refused: camera is fault" in operator.said("start-data", "camera").text
    assert operator.said("start-data", "motors").is_done
    assert operator.run.done == ["release motors"]


def test_the_same_id_is_the_same_command(operator: Operator) -> None:
    first = operator.said("stop", id="7", who="me")
    operator.said("start")
    before = list(operator.run.done)
    assert operator.said("stop", id="7", who="me") == first
    assert operator.run.done == before, "it was done once"
    assert operator.desk.counts.repeated == 1
    other = operator.said("start", id="7", who="me")
    assert (other.outcome, other.problem) == ("refused", "argument")
    assert operator.said("stop", id="7", who="you").is_done
    assert operator.run.done != before


def test_the_same_id_waits_for_the_same_answer(operator: Operator) -> None:
    operator.run.answers_at_once = False
    first, second = (operator.ask("set", id="1", values={"fit.roi": 3}) for _ in range(2))
    assert (first, second) == ([], [])
    operator.run.answer()  # how it is
    assert operator.run.done == ["set {'fit.roi': 3} by "]
    operator.run.answer()  # from which event on
    assert first == second
    assert first[0].is_done
    assert len(operator.run.done) == 1


def test_an_id_is_made_where_there_is_none(operator: Operator) -> None:
    ids = {operator.said("stop").id for _ in range(3)}
    assert len(ids) == 3
    assert all(ids)


def test_many_who_look_ask_the_run_once(operator: Operator) -> None:
    for _ in range(50):
        assert operator.said("status").is_done
    assert operator.run.asked == 1
    operator.said("stop")
    operator.said("status")
    assert operator.run.asked == 2, "what a command has changed is seen at once"
    operator.time.now_s += 1
    operator.said("status")
    assert operator.run.asked == 3


def test_who_looks_after_a_change_does_not_see_what_was_before(operator: Operator) -> None:
    operator.run.answers_at_once = False
    stopped, before = operator.ask("stop"), operator.ask("status")
    operator.run.answer()
    assert stopped[0].is_done
    assert before[0].is_done
    after = operator.ask("status")
    operator.run.answer()
    assert [each["why"] for each in after[0].body["states"][1:3]] == ["held", "held"]


def test_a_run_that_says_nothing_can_be_ended(operator: Operator) -> None:
    operator.run.is_mute = True
    status = operator.ask("status")
    assert operator.said("abort").is_done
    assert operator.said("shutdown").is_done
    assert operator.desk.is_shut_down
    assert status == []
    operator.time.now_s += 59
    operator.desk.poll()
    assert status == []
    operator.time.now_s += 2
    operator.desk.poll()
    assert (status[0].outcome, status[0].problem) == ("failed", "ended")
    assert "has not answered within 60 s" in status[0].text


def test_a_run_that_ends_answers_whoever_waits(operator: Operator) -> None:
    operator.run.answers_at_once = False
    asked = operator.ask("set", values={"fit.roi": 3})
    operator.desk.finish(FakeRun().report())
    assert (asked[0].outcome, asked[0].problem) == ("failed", "ended")
    operator.run.answer()  # too late
    assert len(asked) == 1
    assert operator.run.done == []
    reply = operator.said("stop")
    assert (
        reply.text
        == "stop is refused: demo is stopped, as the test says; no run goes on; allowed now: status and feedback"
    )
    assert operator.said("status").state == "stopped"


def test_after_a_command_that_ends_it_a_run_is_finishing(operator: Operator) -> None:
    operator.said("drain")
    assert "start is refused: demo is finishing" in operator.said("start").text
    assert operator.said("drain").is_done, "wanting it twice is no mistake"
    operator.desk.begin(FakeRun(), PLAN, "r2")
    assert operator.said("start").is_done


@pytest.mark.parametrize(
    ("error", "outcome", "problem"),
    [
        (PenstockError("no worker is called fit-0; there are none"), "refused", "unknown"),
        (PenstockError("fit cannot have so many"), "refused", "argument"),
        (ParameterError("fit.roi: 3 is refused"), "refused", "argument"),
        (AttributeError("a mistake of ours"), "failed", "broken"),
        (RecursionError(), "failed", "broken"),
    ],
)
def test_whatever_a_run_raises_is_answered(operator: Operator, error: Exception, outcome: str, problem: str) -> None:
    operator.run.breaks = error
    reply = operator.said("restart", "fit-0")
    assert (reply.outcome, reply.problem) == (outcome, problem)
    assert str(error) in reply.text
    operator.run.breaks = None
    assert operator.said("restart", "fit-0").is_done


def flood(operator: Operator, name: str, count: int, **arguments: Any) -> list[Reply]:
    found: list[Reply] = []
    for _ in range(count):
        command = Command(name=name, arguments=arguments)
        operator.desk.take(command, found.append, door="http", caller="http")
    return found


def test_a_flood_of_good_commands_is_answered_and_does_little(operator: Operator) -> None:
    replies = flood(operator, "stop", 10_000)
    assert len(replies) == 10_000
    assert [reply.problem for reply in replies[: control_desk.AT_ONCE]] == [""] * control_desk.AT_ONCE
    assert {reply.problem for reply in replies[control_desk.AT_ONCE :]} == {"busy"}
    counts = operator.said("status").body["commands"]
    assert (counts["received"], counts["done"], counts["busy"]) == (10_001, 100, 9900)
    assert flood(operator, "abort", 1)[0].is_done, "whoever wants the end is heard"
    operator.time.now_s += 1
    assert operator.said("status").is_done
    assert sum(reply.is_done for reply in flood(operator, "status", 100)) == control_desk.A_SECOND


def test_others_are_heard_beside_a_flood(operator: Operator) -> None:
    flood(operator, "stop", 1000)
    found: list[Reply] = []
    operator.desk.take(Command(name="start"), found.append, door="zmq", caller="another")
    assert found[0].is_done


def test_a_run_that_does_not_answer_is_asked_for_so_much_only(operator: Operator) -> None:
    operator.run.answers_at_once = False
    asked = [operator.ask("set", values={"fit.roi": k}) for k in range(500)]
    busy = [replies for replies in asked if replies]
    assert len(busy) == 500 - control_desk.MOST_PENDING
    assert {replies[0].problem for replies in busy} == {"busy"}
    while operator.run.waiting:
        operator.run.answer()
    assert all(len(replies) == 1 for replies in asked)
    assert len(operator.run.done) == control_desk.MOST_PENDING


def test_ten_thousand_malformed_commands_are_counted_and_change_nothing(operator: Operator) -> None:
    wrong = [Command(name="strat"), Command(name="stop", who="\n"), Command(name="stop", arguments={"a": 1})]
    found: list[Reply] = []
    for k in range(10_000):
        operator.desk.take(wrong[k % 3], found.append, door="test")
    assert len(found) == 10_000
    assert {reply.outcome for reply in found} == {"refused"}
    assert operator.desk.counts.malformed == 10_000
    assert operator.run.done == []
    assert operator.desk.records() == []
    assert operator.said("stop").is_done


def test_a_viewer_may_look_and_nothing_else(operator: Operator) -> None:
    found: list[Reply] = []
    for name in ("status", "alarms", "stop"):
        operator.desk.take(Command(name=name, id="1"), found.append, door="test", may_turn=False)
    seen = [(reply.outcome, reply.problem) for reply in found]
    assert seen == [("done", ""), ("done", ""), ("refused", "forbidden")]
    assert operator.run.done == []
    assert operator.said("stop", id="1").is_done, "the id of what was forbidden is not used up"


class Book:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.rotated = 0

    def tell(self, kind: str, **fields: Any) -> None:
        self.lines.append((kind, fields))

    def rotate(self) -> None:
        self.rotated += 1


def test_who_commanded_what_is_kept_and_written() -> None:
    book, operator = Book(), Operator()
    operator.desk.write_to(book, has_files=False)
    assert operator.said("rotate-logs", who="nobody").problem == "state"
    operator.desk.audit = CommandAudit()
    operator.desk.write_to(book, has_files=True)
    book.lines.clear()
    operator.said("status", who="me")
    operator.said("stop", "camera", who="me", id="1")
    operator.said("stop", "camera", who="me", id="1")
    operator.said("arm", who="you")
    operator.said("set", who="you", values={"fit.roi": "x" * 5000})
    records = operator.desk.records()
    assert [(each.who, each.name, each.target, each.outcome) for each in records] == [
        ("me", "stop", "camera", "done"), ("you", "arm", "", "refused"), ("you", "set", "", "done"),
    ]  # fmt: skip
    assert records[0].when == "1970-01-01T00:00:00.000000000Z"
    assert records[2].arguments["values"].endswith(" characters")
    assert [(kind, fields["name"]) for kind, fields in book.lines] == [
        ("command", "stop"), ("command", "arm"), ("command", "set"),
    ]  # fmt: skip
    assert operator.said("rotate-logs").is_done
    assert book.rotated == 1
    for _ in range(command_audit.MOST_RECORDS + 5):
        operator.said("stop")
    assert len(operator.desk.records()) == command_audit.MOST_RECORDS


def test_between_runs_another_can_be_armed_and_the_program_ended() -> None:
    operator = Operator(begins=False)
    desk = operator.desk
    assert "nothing has begun yet" in operator.said("stop").text
    with pytest.raises(StateError):
        desk.look(print)
    desk.introduce(PLAN)
    assert operator.said("status").state == "initialised"
    assert "penstock run --stay allows it" in operator.said("arm").text
    armed: list[Any] = []

    def arm(arguments: Any) -> None:
        if armed:
            raise CommandError("scan: a map is wanted", problem="argument")
        armed.append(arguments)

    desk.stay(arm)
    assert operator.said("status").body["allowed"] == ["shutdown", "clean-shutdown", "status", "feedback", "arm"]
    assert operator.said("arm", values={"fit.roi": 3}).text == "another run begins"
    assert armed == [{"values": {"fit.roi": 3}}]
    assert operator.said("arm").problem == "argument"
    assert not desk.is_shut_down
    assert operator.said("shutdown").text == "the program ends"
    assert operator.desk.is_shut_down
    desk.leave()
    assert operator.said("shutdown").problem == "state"


def test_what_came_by_another_path_is_kept_too(operator: Operator) -> None:
    operator.said("status")
    operator.desk.witness(Command(name="scale", target="fit", arguments={"workers": 2}), door="http")
    assert [(each.name, each.door, each.outcome) for each in operator.desk.records()] == [("scale", "http", "done")]
    operator.said("status")
    assert operator.run.asked == 2


def test_an_engine_that_says_nothing_of_states_is_taken_for_running() -> None:
    class Silent(FakeRun):
        def report(self) -> Any:
            import msgspec

            return msgspec.structs.replace(super().report(), states=[])

    operator = Operator(begins=False)
    operator.desk.begin(Silent(), PLAN, "r1")
    assert operator.said("status").state == "processing"
    assert operator.said("stop").is_done
    assert operator.said("restart", "fit-0").is_done, "whoever is asked knows its workers"
    assert isinstance(operator.desk, ControlDesk)


def test_who_waits_for_feedback_is_told_when_there_is_some_or_when_the_time_is_over(operator: Operator) -> None:
    run = operator.run
    waiting = operator.ask("feedback", wait_s=5.0)
    beside = operator.ask("feedback", after=1, wait_s=7.0)
    operator.desk.poll()
    assert (waiting, beside) == ([], [])
    run.watching.hear(encode_notice(Said("stop", "enough", 7, 5, "fit-1")))
    operator.desk.tell_feedback()
    (reply,) = waiting
    assert (reply.text, beside) == ("1 fit, event 7: stop: enough", [])
    assert [(each["action"], each["who"], each["event"]) for each in reply.body] == [("stop", "fit", 7)]
    operator.time.now_s += 7.0
    operator.desk.poll()
    assert [(each.text, each.body) for each in beside] == [("nothing was said back to the scan", [])]


def test_feedback_can_be_asked_for_when_its_run_has_ended_and_nobody_waits_then(operator: Operator) -> None:
    waiting = operator.ask("feedback", wait_s=5.0)
    operator.desk.finish(operator.run.report())
    assert [reply.body for reply in waiting] == [[]]
    operator.run.watching.hear(encode_notice(Said("stop", "", None, 5, "fit-1")))
    assert [each["number"] for each in operator.said("feedback", wait_s=5.0).body] == [1]
