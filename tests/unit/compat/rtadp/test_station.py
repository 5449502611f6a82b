"""Commands make of a process's state exactly what rta-dp publishes, message by message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.rtadp.messages import COMMANDS, Command
from penstock.compat.rtadp.station import Act, Deed, Measure, Say, Station, Step

SUP, MGR = "P", "P-A"


def station(*analyses: str) -> Station:
    found = Station(SUP, analyses or (MGR,))
    found.begin()
    return found


def command(subtype: str, target: str = "all") -> Command:
    return Command(subtype=subtype, pidsource="CommandCenter", pidtarget=target)


def said(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.source, step.state) for step in steps if isinstance(step, Say)]


def done(steps: list[Step]) -> list[Deed]:
    return [step.deed for step in steps if isinstance(step, Act)]


def test_a_process_begins_holding_everything() -> None:
    steps = Station(SUP, [MGR]).begin()
    assert said(steps) == [(SUP, "Initialised"), (MGR, "Initialised"), (SUP, "Waiting")]
    assert done(steps) == [Deed.HOLD_DATA, Deed.HOLD_PROCESSING]


def test_the_golden_table_of_states() -> None:
    it = station()
    golden = {
        "startdata": [(MGR, "Wait for processing")],
        "startprocessing": [(SUP, "Processing"), (MGR, "Processing")],
        "stopdata": [(MGR, "Wait for data")],
        "stopprocessing": [(SUP, "Waiting"), (MGR, "Initialised")],
        "start": [(SUP, "Processing"), (MGR, "Wait for data"), (MGR, "Processing")],
        "stop": [(MGR, "Wait for data"), (SUP, "Waiting"), (MGR, "Initialised")],
    }
    for subtype, expected in golden.items():
        assert said(it.obey(command(subtype))) == expected, subtype
    it.obey(command("start"))
    assert said(it.obey(command("reset"))) == [*golden["stop"], (SUP, "Waiting")]


def test_with_two_analyses_each_says_its_state_in_turn() -> None:
    it = station("P-A", "P-B")
    assert said(it.obey(command("start"))) == [
        (SUP, "Processing"),
        ("P-A", "Wait for data"),
        ("P-B", "Wait for data"),
        ("P-A", "Processing"),
        ("P-B", "Processing"),
    ]


@pytest.mark.parametrize(
    ("subtype", "deeds"),
    [
        ("start", [Deed.RELEASE_PROCESSING, Deed.RELEASE_DATA]),
        ("stop", [Deed.HOLD_DATA, Deed.HOLD_PROCESSING]),
        ("reset", [Deed.HOLD_DATA, Deed.HOLD_PROCESSING, Deed.DISCARD]),
        ("shutdown", [Deed.HOLD_DATA, Deed.HOLD_PROCESSING, Deed.END]),
        ("cleanedshutdown", [Deed.HOLD_DATA, Deed.HOLD_PROCESSING, Deed.END]),
    ],
)
def test_what_is_done_on_a_command(subtype: str, deeds: list[Deed]) -> None:
    assert done(station().obey(command(subtype))) == deeds


def test_a_clean_shutdown_brings_out_what_has_come() -> None:
    it = station()
    it.obey(command("start"))
    steps = it.obey(command("cleanedshutdown"))
    assert (done(steps), said(steps)) == ([Deed.HOLD_DATA, Deed.END_CLEANLY], [(MGR, "Wait for data")])
    assert said(it.ended()) == [(SUP, "Waiting"), (MGR, "Initialised")]


def test_whoever_asks_for_the_status_gets_it() -> None:
    assert station().obey(command("getstatus")) == [Measure("CommandCenter")]


@pytest.mark.parametrize(
    ("target", "is_meant"), [("P", True), ("*", True), ("all", True), ("ALL", False), (MGR, False)]
)
def test_targets_are_names_of_processes_or_everybody(target: str, is_meant: bool) -> None:
    assert bool(station().obey(command("start", target))) is is_meant


@given(st.lists(st.sampled_from([*COMMANDS, "dance"]), max_size=12))
def test_the_states_follow_from_two_switches_after_any_commands(subtypes: list[str]) -> None:
    it = station()
    for subtype in subtypes:
        was_ending = it.is_ending
        steps = it.obey(command(subtype))
        assert not (was_ending and steps), "a process that ends obeys nobody"
        for source, state in said(steps)[-1:]:
            expected = it.state_of_analyses if source == MGR else it.state
            assert state == expected
    assert it.is_processing == (it.state in ("Processing", "EndingProcessing"))
