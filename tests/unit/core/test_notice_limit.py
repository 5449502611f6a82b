"""No notice is lost uncounted: each is let through, stands in the times of a later one, or is counted as lost."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.notice import Level, Notice
from penstock.core.notice_limit import BURST, MOST_TEXTS, PER_S, SAME, NoticeLimit

S = 1_000_000_000
raised = st.tuples(
    st.sampled_from([f"text {k}" for k in range(4)]),
    st.sampled_from(list(Level)),
    st.sampled_from(["fit-0", "fit-1"]),
    st.integers(0, 2 * S),
    st.integers(1, 400),
)


@given(st.lists(raised, max_size=30))
def test_every_notice_is_let_through_told_or_counted(ones: list[tuple[str, Level, str, int, int]]) -> None:
    limit, now, total, let, told, lost = NoticeLimit(), 0, 0, 0, 0, 0
    for text, level, source, pause, times in ones:
        now += pause
        for _ in range(times):
            total += 1
            let += limit.lets(Notice(text=text, level=level, source=source, time_ns=now), now)
        told += sum(notice.times for notice in limit.due(now))
        lost += sum(limit.take_lost().values())
    told += sum(notice.times for notice in limit.due(now, all_of_it=True))
    lost += sum(limit.take_lost().values())
    assert let + told + lost == total
    assert not limit.holds


def test_the_same_text_is_let_through_a_few_times_and_then_told_once_a_second() -> None:
    limit = NoticeLimit()
    hot = Notice(text="too hot", time_ns=0)
    assert [limit.lets(hot, 0) for _ in range(SAME + 2)] == [True] * SAME + [False, False]
    assert limit.due(S - 1) == []
    assert [notice.times for notice in limit.due(S)] == [2]
    assert not limit.lets(hot, S + 1), "it goes on: told once a second from now on"
    assert [notice.times for notice in limit.due(2 * S + 1)] == [1]
    assert limit.lets(hot, 9 * S), "it had stopped"


def test_a_flood_of_different_texts_ends_and_goes_on_slowly() -> None:
    limit = NoticeLimit()
    assert sum(limit.lets(Notice(text=f"event {k}", time_ns=0), 0) for k in range(10 * BURST)) == BURST
    assert limit.take_lost() == {"": 9 * BURST}
    assert sum(limit.lets(Notice(text=f"later {k}", time_ns=0), S) for k in range(10 * BURST)) == PER_S


def test_a_flood_of_one_level_keeps_no_alarm_out() -> None:
    limit = NoticeLimit()
    for k in range(10 * BURST):
        limit.lets(Notice(text=f"event {k}", level=Level.LOG, time_ns=0), 0)
    assert limit.lets(Notice(text="fire", level=Level.ALARM, time_ns=0), 0)


def test_what_was_held_of_a_text_is_told_when_it_is_forgotten() -> None:
    limit = NoticeLimit()
    for _ in range(SAME + 3):
        limit.lets(Notice(text="first", time_ns=0), 0)
    for k in range(MOST_TEXTS):
        limit.lets(Notice(text=f"other {k}", time_ns=0), 0)
    assert [(notice.text, notice.times) for notice in limit.due(0)] == [("first", 3)]
