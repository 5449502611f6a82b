"""What stores of the level ``GROUPS`` must do with retention: know what is kept, and keep what a pinned group needs."""

import numpy as np
import pytest

from penstock.core.retention import Hold, Retained, Retention
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError
from penstock.streams.kept_retention import (
    RetainingStore,
    pin_group,
    pinned_groups,
    retention_for,
    retention_of,
    set_retention,
)
from penstock.streams.membership import GroupStore
from penstock.streams.store import Level, Store
from penstock.testing.store_cases import ADDRESS, needs, numbered, told, write
from penstock.testing.store_streams_tests import StoreStreamsTests

__all__ = ["StoreRetentionTests"]


class StoreRetentionTests(StoreStreamsTests):
    """Retention: of stores that remove something, and what others keep for them."""

    @needs(Level.GROUPS)
    def test_what_is_said_of_retention_is_kept(self, store: Store) -> None:
        write(store, numbered(1))
        assert retention_for(store, ADDRESS) is None
        set_retention(store, ADDRESS.parent, Retention(age_s=60))
        set_retention(store, ADDRESS.parent, Retention(nbytes=5, even_unread=True))
        store.set_metadata(ADDRESS.parent, {"distance_mm": 5})
        assert retention_for(store, ADDRESS) == Retention(nbytes=5, even_unread=True), "of the source, without an age"
        assert retention_of(store, ADDRESS) is None
        set_retention(store, ADDRESS, Retention(count=3))
        assert retention_for(store, ADDRESS) == Retention(count=3)
        set_retention(store, ADDRESS.parent, None)
        assert retention_of(store, ADDRESS.parent) is None
        assert store.metadata(ADDRESS.parent) == {"distance_mm": 5}
        assert [info.address for info in store.streams()] == [ADDRESS], "it is no stream"

    @needs(Level.GROUPS)
    def test_a_pin_goes_with_its_group_and_all_that_was_said_with_the_stream(self, store: Store) -> None:
        assert isinstance(store, GroupStore)
        write(store, numbered(1))
        store.group(ADDRESS, "fit").leave()
        for name in ("fit", "not there yet"):
            pin_group(store, ADDRESS, name)
        assert pinned_groups(store, ADDRESS) == ["fit", "not there yet"]
        assert store.delete_group(ADDRESS, "fit")
        assert pinned_groups(store, ADDRESS) == ["not there yet"]
        pin_group(store, ADDRESS, "other")
        pin_group(store, ADDRESS, "other", is_pinned=False)
        set_retention(store, ADDRESS, Retention(count=1))
        assert pinned_groups(store, ADDRESS) == ["not there yet"]
        assert store.delete(ADDRESS)
        assert not pinned_groups(store, ADDRESS)
        assert retention_of(store, ADDRESS) is None

    @needs(Level.GROUPS)
    def test_what_was_removed_is_counted_and_never_comes_again(self, store: Store) -> None:
        retaining = _retaining(store)
        write(store, numbered(1, 5, 9), numbered(2, 3))
        assert retaining.retain(ADDRESS, count=0).messages == 5
        assert retaining.retain(ADDRESS, count=0) == Retained()
        info = store.info(ADDRESS)
        assert (info.count, info.removed, info.first_id, info.last_id) == (0, 5, 0, 9)
        with store.write(ADDRESS) as writer:
            assert writer.present(np.array([1, 2, 4, 9], np.uint64)).tolist() == [True, True, False, True]
            with pytest.raises(ConflictError):
                writer.append(numbered(3))
            writer.append(numbered(4))
        with store.read(ADDRESS) as reader:
            assert [(stored.position, stored.block.ids.tolist()) for stored in reader.blocks()] == [(5, [4])]

    @needs(Level.GROUPS)
    def test_nothing_is_removed_that_a_pinned_group_has_not_acknowledged(self, store: Store) -> None:
        retaining = _retaining(store)
        assert isinstance(store, GroupStore)
        ids = np.random.default_rng(7).permutation(60) + 1
        for some in range(0, 60, 5):
            write(store, numbered(*sorted(ids[some : some + 5].tolist())))
        pin_group(store, ADDRESS, "fit")
        held = retaining.retain(ADDRESS, count=0)
        assert (held.messages, [hold.group for hold in held.held_by]) == (0, ["fit"])
        with store.group(ADDRESS, "fit", flush_s=0) as member, store.group(ADDRESS, "not pinned", flush_s=0):
            epoch = member.claim(60).epoch
            owed = set(range(1, 61))
            for some in range(0, 60, 12):
                done = ids[some : some + 12].tolist()
                member.acknowledge(*done, epoch=epoch)
                owed -= set(done)
                found = retaining.retain(ADDRESS, count=0)
                with store.read(ADDRESS) as reader:
                    there = set(reader.ids().tolist())
                assert owed <= there
                assert found.unread == 0
                if owed:
                    assert found.held_by == (Hold(group="fit", messages=len(owed), first_id=min(owed)),)
            assert not there

    @needs(Level.GROUPS)
    def test_what_is_removed_unread_is_counted(self, store: Store) -> None:
        retaining = _retaining(store)
        assert isinstance(store, GroupStore)
        write(store, numbered(*range(1, 11)))
        pin_group(store, ADDRESS, "fit")
        with store.group(ADDRESS, "fit", flush_s=0) as member:
            member.acknowledge(1, 2, 4, epoch=member.claim(4).epoch)
            pin_group(store, ADDRESS, "not there yet", is_pinned=False)
            set_retention(store, ADDRESS, Retention(count=0, even_unread=True))
            found = retaining.retain(ADDRESS)
        assert (found.messages, found.unread) == (10, 7)

    @needs(Level.GROUPS)
    def test_who_holds_a_view_keeps_it(self, store: Store) -> None:
        retaining = _retaining(store)
        write(store, numbered(1, 2, 3), numbered(4))
        with store.read(ADDRESS) as reader:
            found = next(reader.blocks())
            before = told(found.block.messages())
            assert retaining.retain(ADDRESS, count=0).messages == 4
            assert told(found.block.messages()) == before
            assert reader.message(1) is None
            write(store, numbered(5))
            assert [stored.block.ids.tolist() for stored in reader.blocks()] == [[5]]
        assert told(found.block.messages()) == before

    @needs(Level.GROUPS)
    def test_all_streams_are_looked_at_of_which_something_was_said(self, store: Store) -> None:
        retaining = _retaining(store)
        said = {name: StreamAddress(ADDRESS.beamtime, ADDRESS.source, name) for name in ("run 1", "run 2", "run 3")}
        for address in (*said.values(), StreamAddress(ADDRESS.beamtime, "other", "run 1")):
            write(store, numbered(1, 2), to=address)
        set_retention(store, ADDRESS.parent, Retention(count=0))
        set_retention(store, said["run 2"], Retention())
        pin_group(store, said["run 3"], "fit")
        done = {address.stream: result for address, result in retaining.retain_all()}
        assert {name: isinstance(found, Retained) and found.messages for name, found in done.items()} == {
            "run 1": 2,
            "run 2": 0,
            "run 3": 0,
        }


def _retaining(store: Store) -> RetainingStore:
    if not isinstance(store, RetainingStore):
        pytest.skip("this store leaves it to another to remove anything")
    return store
