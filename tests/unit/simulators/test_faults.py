"""Faults happen as they are written and are counted as they happened."""

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import Kind
from penstock.errors import CheckError
from penstock.simulators import SIMULATORS, simulator_named
from penstock.simulators.faults import FAULTS, Disconnect, Faults, Injector, Instruction, Send, Silence
from penstock.simulators.simulator import Packets
from penstock.simulators.xrf_scan import XrfScan
from tests.unit.simulators.decoded import UNSEEN, decoded_with_errors

CHANCES = ("lost", "doubled", "late", "corrupt", "reordered")


@st.composite
def faults(draw: st.DrawFn, points: int = 60) -> Faults:
    parts = draw(st.lists(st.floats(0, 0.2), min_size=5, max_size=5))
    at = st.integers(0, points - 1)
    silences = draw(st.lists(st.builds(Silence, point=at, s=st.floats(0, 1e6)), max_size=3))
    disconnects = draw(st.lists(st.builds(Disconnect, point=at), max_size=3))
    return Faults(**dict(zip(CHANCES, parts, strict=True)), silences=tuple(silences), disconnects=tuple(disconnects))


def frame(point: int) -> Packets:
    return [[b'{"frame": %d}' % point, b"pixels"]]


def injected(
    faults: Faults, points: int = 60, seed: int = 1, name: str = ""
) -> tuple[list[Instruction], dict[str, int]]:
    injector = Injector(faults, seed, name)
    done = [instruction for point in range(points) for instruction in injector.feed(point, frame(point))]
    return [*done, *injector.finish()], injector.counts


def sends(instructions: list[Instruction]) -> list[Send]:
    return [instruction for instruction in instructions if isinstance(instruction, Send)]


# As they are written


@given(faults())
def test_what_is_written_is_read_back(given: Faults) -> None:
    assert Faults.parse(str(given)) == given


def test_all_of_them_in_one_text() -> None:
    text = "lost=0.01,doubled=0.005, late=0.02,corrupt=1e-3,reordered=0.03,silence=5@200,disconnect@300,silence=0.5@7"
    assert Faults.parse(text) == Faults(
        lost=0.01,
        doubled=0.005,
        late=0.02,
        corrupt=0.001,
        reordered=0.03,
        silences=(Silence(200, 5.0), Silence(7, 0.5)),
        disconnects=(Disconnect(300),),
    )
    assert Faults.parse("") == Faults.parse("  ") == Faults()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lots=0.1", '"lots=0.1" is no fault; there are lost, doubled, late'),
        ("lost", '"lost" does not say how often; write lost and a number from 0 to 1'),
        ("lost=often", "does not say how often"),
        ("lost=1.5", "does not say how often; write lost and a number from 0 to 1, as in lost=0.01"),
        ("lost=-0.1", "does not say how often"),
        ("lost=nan", "does not say how often"),
        ("lost=0_1", "does not say how often"),
        ("lost=0.1@7", "does not say how often"),
        ("lost=0.1,lost=0.2", '"lost=0.2" comes after another lost; say it once'),
        ("silence=5", "does not say at which point; write it as in silence=5@200"),
        ("silence@5", "does not say for how many seconds"),
        ("silence=-1@5", "does not say for how many seconds"),
        ("silence=inf@5", "does not say for how many seconds"),
        ("silence=1@x", "does not say at which point"),
        ("disconnect", "does not say at which point; write it as in disconnect@300"),
        ("disconnect@-1", "does not say at which point"),
        ("disconnect=1@5", "says more than the point"),
        ("lost=0.1,", '"" is no fault'),
        ("lost=0.6,late=0.6", "the parts of the frames add up to 1.2; a frame suffers one fault at most"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_would_be_right(text: str, says: str) -> None:
    with pytest.raises(CheckError) as caught:
        Faults.parse(text)
    assert says in str(caught.value)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(CheckError) as caught:
        Faults.parse("lots=1,lost=2,silence=3")
    assert len(caught.value.problems) == 3


def test_what_is_made_in_python_is_checked_too() -> None:
    with pytest.raises(CheckError, match="lost: 2 is no part of the frames"):
        Faults(lost=2)
    with pytest.raises(CheckError, match="silence: -1 is no number of seconds"):
        Faults(silences=(Silence(0, -1.0),))


def test_points_that_never_come_are_named() -> None:
    text = [str(problem) for problem in Faults.parse("silence=5@20,disconnect@19,disconnect@99").beyond(20)]
    assert text == [
        "silence: there is no point 20; points go from 0 to 19",
        "disconnect: there is no point 99; points go from 0 to 19",
    ]


# As they happen


@given(faults(), st.integers(0, 1000))
def test_counts_are_what_can_be_seen(given: Faults, seed: int) -> None:
    done, counts = injected(given, seed=seed)
    sent = sends(done)
    intact = [send.point for send in sent if send.packets == frame(send.point)]
    spoilt = [send.point for send in sent if send.packets != frame(send.point)]
    assert len(spoilt) == len(set(spoilt)) == counts["corrupt"]
    assert len(intact) - len(set(intact)) == counts["doubled"]
    assert 60 - len({send.point for send in sent}) == counts["lost"]
    tops = list(accumulate(intact, max))
    overtaken = sum(point < top for point, top in zip(intact, tops, strict=True))
    assert overtaken == counts["late"] + counts["reordered"]
    assert counts["silence"] == len(given.silences) == sum(isinstance(each, Silence) for each in done)
    assert counts["disconnect"] == len(given.disconnects) == sum(isinstance(each, Disconnect) for each in done)


@pytest.mark.parametrize(("fault", "least", "most"), [("reordered", 1, 1), ("late", 3, 10)])
@given(seed=st.integers(0, 1000), part=st.floats(0, 0.5))
def test_a_frame_is_overtaken_by_as_many_as_its_fault_says(
    fault: str, least: int, most: int, seed: int, part: float
) -> None:
    injector = Injector(Faults.parse(f"{fault}={part!r}"), seed)
    order = [each.point for n in range(100) for each in sends(list(injector.feed(n, frame(n))))]
    whole = [*order, *(each.point for each in sends(list(injector.finish())))]
    assert sorted(whole) == list(range(100))
    by = [sum(other > point for other in whole[:place]) for place, point in enumerate(whole)]
    assert all(n == 0 or least <= n <= most for n in by[: len(order)])
    assert max(by) <= most
    assert injector.counts[fault] == sum(n > 0 for n in by)


def test_nothing_goes_wrong_by_default() -> None:
    done, counts = injected(Faults())
    assert [send.packets for send in sends(done)] == [frame(point) for point in range(60)]
    assert set(counts) == set(FAULTS)
    assert not any(counts.values())


@pytest.mark.parametrize("fault", CHANCES)
def test_a_fault_happens_about_as_often_as_asked(fault: str) -> None:
    _, counts = injected(Faults.parse(f"{fault}=0.1"), 5000)
    assert 400 < counts[fault] < 600
    assert sum(counts.values()) == counts[fault]


@given(faults(), st.integers(0, 1000))
def test_the_same_seed_gives_the_same_faults(given: Faults, seed: int) -> None:
    assert injected(given, seed=seed) == injected(given, seed=seed)


def test_another_seed_or_name_gives_other_faults() -> None:
    hit = {
        tuple(send.point for send in sends(injected(Faults(lost=0.3), 60, *of)[0]))
        for of in ((1, "a"), (1, "b"), (2, "a"))
    }
    assert len(hit) == 3


def test_placed_faults_come_before_their_point() -> None:
    done, _ = injected(Faults.parse("silence=2@1,disconnect@1"), 3)
    assert done == [Send(0, frame(0)), Silence(1, 2.0), Disconnect(1), Send(1, frame(1)), Send(2, frame(2))]


def test_frames_held_at_the_end_of_a_scan_come_before_it() -> None:
    injector = Injector(Faults(late=1.0), 1)
    assert [each for point in range(5) for each in injector.feed(point, frame(point))] == []
    assert [each.point for each in injector.finish() if isinstance(each, Send)] == [0, 1, 2, 3, 4]
    assert injector.counts["late"] == 0, "nothing has overtaken them"


def test_a_frame_that_was_not_sent_is_not_counted() -> None:
    injector = Injector(Faults(doubled=1.0), 1)
    doubled = injector.feed(0, frame(0))
    next(doubled)
    next(doubled)
    doubled.close()  # type: ignore[attr-defined]
    assert injector.counts["doubled"] == 0


@pytest.mark.parametrize("name", sorted(SIMULATORS))
@settings(max_examples=25)
@given(given=faults(20), seed=st.integers(0, 2**40))
def test_each_spoilt_frame_is_one_error_and_the_others_arrive(name: str, given: Faults, seed: int) -> None:
    simulator = simulator_named(name)(XrfScan(4, 5, seed))
    injector = Injector(given, seed, name, simulator.spoilable)
    points = [each for point in range(20) for each in injector.feed(point, simulator.point(point))]
    frames = sends([*points, *injector.finish()])
    sent = [
        simulator.connected(under_way=False),
        simulator.start(),
        *[each.packets for each in frames],
        simulator.end(20),
    ]
    messages, errors = decoded_with_errors(simulator_named(name).decoder(), sent)
    assert len(errors) == (0 if name in UNSEEN else injector.counts["corrupt"])
    assert [m.kind for m in messages] == [Kind.START, *[Kind.DATA] * (len(frames) - len(errors)), Kind.END]


@pytest.mark.parametrize("name", sorted({*SIMULATORS} - UNSEEN))
def test_no_bit_that_may_be_flipped_goes_unnoticed(name: str) -> None:
    simulator = simulator_named(name)(XrfScan(2, 2))
    (text, *parts), *more = simulator.point(1)
    for place in range(len(text) - 1 if simulator.spoilable is None else simulator.spoilable):
        spoilt = bytearray(text)
        spoilt[place] ^= 0x80
        sent = [
            simulator.connected(under_way=False),
            simulator.start(),
            [[bytes(spoilt), *parts], *more],
            simulator.end(1),
        ]
        messages, errors = decoded_with_errors(simulator_named(name).decoder(), sent)
        assert (len(errors), len(messages)) == (1, 2), place
