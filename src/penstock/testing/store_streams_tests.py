"""What stores of the level ``INDEXED`` must do with many streams: list them, delete them, keep what is said of them."""

import threading
from typing import Any

import pytest

from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StreamError
from penstock.streams.store import Level, MetadataMode, Store, StreamState
from penstock.testing.store_cases import ADDRESS, ODD_NAMES, arrived, message, needs, numbered, read, told, write
from penstock.testing.store_log_tests import StoreLogTests

__all__ = ["StoreStreamsTests"]

ALIKE = ["a", "ab", "A", "A1", "x_a", "a_", "a/b", "a%2Fb", "a.", "a ", "b", "finish"]
BEAMTIME, SOURCE = StreamAddress("c20261120"), ADDRESS.parent


class StoreStreamsTests(StoreLogTests):
    """Lists, deletion, metadata."""

    @needs(Level.INDEXED)
    def test_streams_are_listed_as_they_were_created(self, store: Store) -> None:
        names = ["m", "a", "z", "10", "9"]
        for number, name in enumerate(names, 1):
            write(store, numbered(number), to=StreamAddress("b", "s", name))
        write(store, numbered(77), to=StreamAddress("b", "s", "m"))
        infos = store.streams()
        assert [info.address.stream for info in infos] == names
        assert [info.count for info in infos] == [2, 1, 1, 1, 1]
        assert [info.created_ns for info in infos] == sorted(info.created_ns for info in infos)
        for info in infos:
            assert info == store.info(info.address)
            assert info.created_ns <= info.last_ns

    @needs(Level.INDEXED)
    def test_streams_of_a_beamtime_or_source_are_listed(self, store: Store) -> None:
        addresses = [StreamAddress(b, s, t) for b in ("b", "bb") for s in ("s", "S") for t in ("t", "s")]
        for address in addresses:
            write(store, numbered(1), to=address)
        for within in [None, *addresses, *(a.parent for a in addresses), *(a.parent.parent for a in addresses)]:
            expected = [address for address in addresses if within is None or address in within]
            assert [info.address for info in store.streams(within)] == expected, within
        for nothing in (StreamAddress("x"), StreamAddress("b", "x"), StreamAddress("b", "s", "x")):
            assert list(store.streams(nothing)) == []

    @needs(Level.INDEXED)
    def test_streams_of_any_name_are_listed(self, store: Store) -> None:
        addresses = [StreamAddress(name, name, name) for name in ODD_NAMES]
        for address in addresses:
            write(store, numbered(1), to=address)
        assert [info.address for info in store.streams()] == addresses
        for address in addresses:
            assert [info.address for info in store.streams(address.parent)] == [address]

    @needs(Level.INDEXED)
    def test_an_empty_stream_is_there_when_somebody_writes_it(self, store: Store) -> None:
        with store.write(ADDRESS):
            assert [info.state for info in store.streams()] == [StreamState.OPEN]
        assert [info.state for info in store.streams()] == [StreamState.STALLED]

    @needs(Level.INDEXED)
    def test_every_state_is_listed(self, store: Store) -> None:
        for name in ("finished", "aborted", "stalled"):
            with store.write(StreamAddress("b", "s", name)) as writer:
                writer.append(numbered(1))
                if name == "finished":
                    writer.finish("next")
                if name == "aborted":
                    writer.abort("why")
        with store.write(StreamAddress("b", "s", "open")) as writer:
            writer.append(numbered(1))
            infos = store.streams(StreamAddress("b", "s"))
            assert [(info.address.stream, info.state.value) for info in infos] == [
                (name, name) for name in ("finished", "aborted", "stalled", "open")
            ]
            assert [info.next_stream for info in infos] == ["next", "", "", ""]

    @needs(Level.INDEXED)
    def test_the_last_stream_is_the_one_created_last(self, store: Store) -> None:
        source = StreamAddress("b", "s")
        assert store.last_stream(source) is None
        for name in ("z", "y", "a"):
            write(store, numbered(1), to=StreamAddress("b", "s", name))
            write(store, numbered(1), to=StreamAddress("b", "other", name + name))
        write(store, numbered(2), to=StreamAddress("b", "s", "z"))
        last = store.last_stream(source)
        assert last is not None
        assert last.address.stream == "a"

    @needs(Level.INDEXED)
    def test_threads_list_while_others_write(self, store: Store) -> None:
        names = [f"run {n}" for n in range(20)]
        wrong: list[Any] = []

        def write_all(source: str) -> None:
            for name in names:
                write(store, numbered(1), to=StreamAddress("b", source, name))

        def list_all(source: str) -> None:
            seen = 0
            while seen < len(names):
                infos = store.streams(StreamAddress("b", source))
                found = [info.address.stream for info in infos]
                if found != names[: len(found)] or len(found) < seen:
                    wrong.append(found)
                    return
                seen = len(found)

        threads = [threading.Thread(target=do, args=(s,)) for s in ("p", "q") for do in (write_all, list_all)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    @needs(Level.INDEXED)
    @pytest.mark.parametrize("name", ALIKE)
    def test_deletion_removes_exactly_one_stream(self, store: Store, name: str) -> None:
        addresses = [StreamAddress("b", s, t) for s in ("s", "s2") for t in ALIKE]
        for number, address in enumerate(addresses, 1):
            write(store, numbered(number), to=address)
            store.set_metadata(address, {"number": number})
        gone = StreamAddress("b", "s", name)
        assert store.delete(gone)
        assert not store.delete(gone)
        assert [info.address for info in store.streams()] == [address for address in addresses if address != gone]
        for number, address in enumerate(addresses, 1):
            assert read(store, address) == ([] if address == gone else told([message(number)])), address
            assert store.metadata(address) == (None if address == gone else {"number": number}), address

    @needs(Level.INDEXED)
    def test_a_stream_that_is_made_again_has_nothing_of_the_deleted_one(self, store: Store) -> None:
        with store.write(ADDRESS) as writer:
            writer.append(numbered(1, 2, 9))
            writer.finish("run 2")
        store.delete(ADDRESS)
        assert store.info(ADDRESS).state is StreamState.OPEN
        assert store.info(ADDRESS).count == 0
        with store.write(ADDRESS) as writer:
            assert (writer.last_id, writer.written) == (0, 0)
            assert not writer.present(numbered(1, 2, 9).ids).any()
            writer.append(numbered(2))
        info = store.info(ADDRESS)
        assert (info.count, info.removed, info.first_id, info.last_id, info.missing) == (1, 0, 2, 2, 1)
        assert (info.state, info.next_stream) == (StreamState.STALLED, "")
        with store.read(ADDRESS) as reader:
            assert [stored.position for stored in reader.blocks()] == [0]
            assert arrived(reader.get(1, 9)) == told([message(2)])

    @needs(Level.INDEXED)
    def test_a_stream_that_is_made_again_is_the_last(self, store: Store) -> None:
        for name in ("a", "b"):
            write(store, numbered(1), to=StreamAddress("b", "s", name))
        store.delete(StreamAddress("b", "s", "a"))
        write(store, numbered(1), to=StreamAddress("b", "s", "a"))
        assert [info.address.stream for info in store.streams()] == ["b", "a"]

    @needs(Level.INDEXED)
    def test_arrays_outlive_the_deletion_of_their_stream(self, store: Store) -> None:
        write(store, numbered(4, 8))
        with store.read(ADDRESS) as reader:
            found = list(reader.blocks())
            store.delete(ADDRESS)
            assert arrived(found) == told([message(4), message(8)])

    @needs(Level.INDEXED)
    def test_what_is_written_is_not_deleted(self, store: Store) -> None:
        with store.write(ADDRESS) as writer:
            writer.append(numbered(1))
            with pytest.raises(ConflictError):
                store.delete(ADDRESS)
            writer.append(numbered(2))
        assert read(store) == told([message(1), message(2)])

    @needs(Level.INDEXED)
    def test_only_streams_are_deleted(self, store: Store) -> None:
        write(store, numbered(1))
        for address in (SOURCE, BEAMTIME):
            with pytest.raises(StreamError, match="names no stream"):
                store.delete(address)
        assert not store.delete(StreamAddress("c20261120", "eiger", "unknown"))
        assert read(store) == told([message(1)])

    @needs(Level.INDEXED)
    def test_metadata_of_each_level_are_its_own(self, store: Store) -> None:
        addresses = [BEAMTIME, SOURCE, ADDRESS, StreamAddress("c20261120", "eiger", "run"), StreamAddress("eiger")]
        assert [store.metadata(address) for address in addresses] == [None] * 5
        for number, address in enumerate(addresses):
            store.set_metadata(address, {"number": number})
        assert [store.metadata(address) for address in addresses] == [{"number": number} for number in range(5)]

    @needs(Level.INDEXED)
    def test_metadata_alone_make_no_stream(self, store: Store) -> None:
        store.set_metadata(ADDRESS, {"a": 1})
        assert list(store.streams()) == []
        write(store, numbered(1))
        assert store.metadata(ADDRESS) == {"a": 1}
        assert store.delete(ADDRESS)
        assert store.metadata(ADDRESS) is None

    @needs(Level.INDEXED)
    def test_metadata_of_the_levels_above_stay_when_a_stream_goes(self, store: Store) -> None:
        write(store, numbered(1))
        for address in (BEAMTIME, SOURCE, ADDRESS):
            store.set_metadata(address, {"of": str(address)})
        store.delete(ADDRESS)
        assert [store.metadata(address) for address in (BEAMTIME, SOURCE)] == [
            {"of": "c20261120"},
            {"of": "c20261120/eiger"},
        ]

    @needs(Level.INDEXED)
    def test_whatever_json_holds_is_kept(self, store: Store) -> None:
        value: dict[str, Any] = {
            "": [None, True, False, 0, -1, 2**70, 1.5, -0.0, 1e308, "", "Ä€𝄞\0\n", {"deep": [[[{}]]]}],
            "$set": {".": 1, "a.b": 2},
            "large": "x" * 100_000,
        }
        store.set_metadata(ADDRESS, value)
        assert store.metadata(ADDRESS) == value

    @needs(Level.INDEXED)
    def test_metadata_are_replaced_updated_and_inserted(self, store: Store) -> None:
        for address in (BEAMTIME, SOURCE, ADDRESS):
            store.set_metadata(address, {"data": "test", "embedded": {"edata": 1, "list": [1, 2]}}, "insert")
            with pytest.raises(ConflictError):
                store.set_metadata(address, {"data": "other"}, "insert")
            store.set_metadata(address, {"embedded": {"edata": 2}}, "update")
            assert store.metadata(address) == {"data": "test", "embedded": {"edata": 2, "list": [1, 2]}}
            store.set_metadata(address, {"embedded": {"list": [3], "more": {"x": 1}}, "new": None}, "update")
            assert store.metadata(address) == {
                "data": "test",
                "embedded": {"edata": 2, "list": [3], "more": {"x": 1}},
                "new": None,
            }
            store.set_metadata(address, {"data": {"now": "a mapping"}}, "update", upsert=False)
            store.set_metadata(address, {"embedded": 5}, "update")
            assert store.metadata(address) == {"data": {"now": "a mapping"}, "embedded": 5, "new": None}
            store.set_metadata(address, {"all": "new"}, "replace", upsert=False)
            assert store.metadata(address) == {"all": "new"}
            store.set_metadata(address, {})
            assert store.metadata(address) == {}
            with pytest.raises(ConflictError):
                store.set_metadata(address, {}, "insert")

    @needs(Level.INDEXED)
    @pytest.mark.parametrize("mode", ["replace", "update"])
    def test_metadata_that_are_not_there_are_made_only_if_allowed(self, store: Store, mode: MetadataMode) -> None:
        with pytest.raises(StreamError):
            store.set_metadata(ADDRESS, {"a": 1}, mode, upsert=False)
        assert store.metadata(ADDRESS) is None
        store.set_metadata(ADDRESS, {"a": 1}, mode)
        assert store.metadata(ADDRESS) == {"a": 1}

    @needs(Level.INDEXED)
    @pytest.mark.parametrize(
        "bad",
        [{"a": float("nan")}, {"a": b"x"}, {"a": [1j]}, {1: 2}, {"a": object()}, {"a": {"b": {1}}}, [1]],
        ids=lambda bad: type(bad).__name__,
    )
    @pytest.mark.parametrize("mode", ["replace", "update"])
    def test_what_json_cannot_hold_changes_nothing(self, store: Store, mode: MetadataMode, bad: Any) -> None:
        with pytest.raises(StreamError):
            store.set_metadata(ADDRESS, bad, mode)
        assert store.metadata(ADDRESS) is None
        store.set_metadata(ADDRESS, {"a": 1})
        with pytest.raises(StreamError):
            store.set_metadata(ADDRESS, bad, mode)
        assert store.metadata(ADDRESS) == {"a": 1}

    @needs(Level.INDEXED)
    def test_nobody_changes_metadata_by_what_they_hold(self, store: Store) -> None:
        given: dict[str, Any] = {"a": {"b": [1]}}
        store.set_metadata(ADDRESS, given)
        given["a"]["b"].append(2)
        got: Any = store.metadata(ADDRESS)
        got["a"]["b"].append(3)
        assert store.metadata(ADDRESS) == {"a": {"b": [1]}}
