"""What retention removes: no more than the limits say, and nothing that a pinned group has not acknowledged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.id_ranges import of_ids
from penstock.core.retention import EVERYTHING, Piece, Retained, Retention, removals, retention_address
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError

NOW_NS = 1_000_000_000_000


def pieces_of(*pieces: set[int], nbytes: int = 100, ages_s: list[int] | None = None) -> list[Piece]:
    found: list[Piece] = []
    end = 0
    for number, ids in enumerate(pieces, 1):
        end += len(ids)
        age_ns = (ages_s[number - 1] if ages_s else 0) * 1_000_000_000
        newest_ns = NOW_NS - age_ns
        found.append(Piece(number=number, messages=len(ids), nbytes=nbytes * len(ids), newest_ns=newest_ns, end=end))
    return found


def removed(
    pieces: list[set[int]],
    retention: Retention,
    unread: dict[str, set[int]] | None = None,
    *,
    ages_s: list[int] | None = None,
    is_growing: bool = False,
    keep: int | None = None,
) -> tuple[list[int], Retained]:
    return removals(
        pieces_of(*pieces, ages_s=ages_s),
        retention,
        NOW_NS,
        ids_of=lambda number: of_ids(pieces[number - 1]),
        unread=lambda: {name: of_ids(ids) for name, ids in (unread or {}).items()},
        is_growing=is_growing,
        keep=keep,
    )


@st.composite
def streams(draw: st.DrawFn) -> list[set[int]]:
    """Pieces of a stream: ids in any order over the pieces, each once."""
    ids = draw(st.permutations(range(1, draw(st.integers(1, 30)) + 1)))
    cuts = sorted(draw(st.sets(st.integers(1, len(ids) - 1)))) if len(ids) > 1 else []
    return [set(ids[a:b]) for a, b in zip([0, *cuts], [*cuts, len(ids)], strict=True)]


limits = st.builds(
    Retention,
    age_s=st.none() | st.integers(0, 40),
    nbytes=st.none() | st.integers(0, 3000),
    count=st.none() | st.integers(0, 30),
    even_unread=st.booleans(),
)
groups = st.dictionaries(st.sampled_from("abc"), st.sets(st.integers(1, 35)))


@given(streams(), limits, groups, st.booleans(), st.none() | st.integers(0, 30), st.data())
def test_what_is_removed(
    pieces: list[set[int]],
    retention: Retention,
    unread: dict[str, set[int]],
    is_growing: bool,
    keep: int | None,
    data: st.DataObject,
) -> None:
    ages_s = data.draw(st.lists(st.integers(0, 40), min_size=len(pieces), max_size=len(pieces)))
    numbers, retained = removed(pieces, retention, unread, ages_s=ages_s, is_growing=is_growing, keep=keep)
    assert numbers == list(range(1, len(numbers) + 1)), "the oldest go first"
    gone = set().union(*pieces[: len(numbers)])
    owed = set().union(*unread.values())
    assert retained.messages == len(gone)
    assert retained.nbytes == 100 * len(gone)
    assert retained.unread == len(gone & owed)
    if not retention.even_unread:
        assert not gone & owed
    if keep is not None:
        assert len(gone) <= keep
    assert not (is_growing and len(numbers) == len(pieces))
    rest = pieces[len(numbers) :]
    # Each that went was too much when it went, and the first that stays is not, or somebody needs it.
    for number in range(len(numbers)):
        assert is_too_much(pieces[number:], ages_s[number:], retention)
    if not rest:
        assert not retained.held_by
        return
    is_kept = keep is not None and len(gone) + len(rest[0]) > keep
    is_last = is_growing and len(rest) == 1
    if is_too_much(rest, ages_s[len(numbers) :], retention) and not is_kept and not is_last:
        holders = {name for name, ids in unread.items() if ids & rest[0]}
        assert not retention.even_unread
        assert {hold.group for hold in retained.held_by} == holders != set()
        assert retained.held_bytes >= 100 * len(rest[0])
        for hold in retained.held_by:
            assert (hold.messages, hold.first_id) == (len(unread[hold.group]), min(unread[hold.group]))
    else:
        assert not retained.held_by
        assert not retained.held_bytes


def is_too_much(pieces: list[set[int]], ages_s: list[int], retention: Retention) -> bool:
    """Whether the first of some pieces is, with those behind it."""
    rest = sum(map(len, pieces))
    return (
        (retention.age_s is not None and ages_s[0] > retention.age_s)
        or (retention.nbytes is not None and 100 * rest > retention.nbytes)
        or (retention.count is not None and rest - len(pieces[0]) >= retention.count)
    )


def test_nobody_is_asked_what_is_unread_while_nothing_is_too_much() -> None:
    def asked() -> dict[str, list[tuple[int, int]]]:
        raise AssertionError("it costs a look at each group")

    pieces = pieces_of({1}, {2})
    found = removals(pieces, Retention(count=2), NOW_NS, ids_of=lambda number: [(number, number)], unread=asked)
    assert found == ([], Retained())


def test_a_group_that_is_not_there_yet_is_owed_everything() -> None:
    pieces = pieces_of({1}, {2}, {3})
    numbers, retained = removals(
        pieces, Retention(count=1), NOW_NS, ids_of=lambda n: [(n, n)], unread=lambda: {"fit": EVERYTHING}
    )
    assert not numbers
    assert str(retained) == (
        "200 bytes more than is to be kept stay, as the pinned group 'fit' has acknowledged nothing yet"
    )


def test_what_was_done_is_said() -> None:
    assert str(removed([{1}, {2}], Retention())[1]) == "nothing was too much"
    _, some = removed([{1, 2}, {3}, {4, 5}], Retention(count=0), {"fit": {5}})
    assert str(some) == (
        "3 messages removed, 300 bytes; 200 bytes more than is to be kept stay, as the pinned group 'fit' has yet"
        " to acknowledge 1, the first 5"
    )
    _, told = removed([{1, 2}, {3}], Retention(count=0, even_unread=True), {"fit": {2, 3, 9}})
    assert str(told) == "3 messages removed, 300 bytes, 2 of them unread by a pinned group"


@pytest.mark.parametrize("said", [{"age_s": -1}, {"nbytes": -1}, {"count": 1.5}, {"most": 1}, {"nbytes": "8GB"}])
def test_what_is_no_retention_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(StreamError):
        Retention.of(said, "c2026/eiger")


def test_a_beamtime_has_no_retention() -> None:
    assert str(retention_address(StreamAddress("c2026", "eiger"))) == "c2026/eiger/ [retention]"
    with pytest.raises(StreamError, match="beamtime"):
        retention_address(StreamAddress("c2026"))
