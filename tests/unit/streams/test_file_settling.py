"""When a file counts as settled, by looks and times that are numbers."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.streams.file_settling import Settling, Shape

A, B = Shape(1, 10), Shape(2, 20)


def test_a_file_has_settled_when_nothing_changed_for_so_long() -> None:
    settling = Settling(2.0)
    assert not settling.look("f", A, 0.0)
    assert not settling.look("f", A, 1.9)
    assert settling.look("f", A, 2.0)
    assert not len(settling)


def test_a_change_begins_the_wait_anew_also_one_of_the_time_alone() -> None:
    settling = Settling(2.0)
    settling.look("f", A, 0.0)
    assert not settling.look("f", Shape(A.size, A.mtime_ns + 1), 2.0)
    assert not settling.look("f", Shape(A.size, A.mtime_ns + 1), 3.9)
    assert settling.look("f", Shape(A.size, A.mtime_ns + 1), 4.0)


def test_those_that_changed_last_are_due_last() -> None:
    settling = Settling(1.0)
    settling.look("f", A, 0.0)
    settling.look("g", A, 0.5)
    assert settling.next_s(0.25) == 0.75
    settling.look("f", B, 0.75)
    assert settling.due(1.25) == []
    assert settling.due(1.5) == ["g"]
    assert settling.next_s(5.0) == 0.0
    settling.forget("g")
    settling.forget("f")
    assert settling.next_s(5.0) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.floats(0, 1)), max_size=30))
def test_whatever_happens_no_file_settles_early_and_each_is_due_in_time(looks: list[tuple[str, int, float]]) -> None:
    settling, now, since = Settling(1.0), 0.0, dict[str, tuple[int, float]]()
    for path, size, step in looks:
        now += step
        if path not in since or since[path][0] != size:
            since[path] = size, now
        settled = settling.look(path, Shape(size, 0), now)
        assert settled == (now - since[path][1] >= 1.0)
        if settled:
            del since[path]
        assert set(settling.due(now)) == {name for name, (_, first) in since.items() if now - first >= 1.0}
