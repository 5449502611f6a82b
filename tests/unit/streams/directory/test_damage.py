"""Torn tails, lost indexes, flipped bits at every place: what is not damaged stays readable, and what is, is named."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import IntegrityError
from penstock.streams.directory import DirectoryStore
from penstock.streams.store import StreamState
from tests.unit.streams.directory.stored_cases import ADDRESS, FOLDER, as_if_killed, block, fill, ids_of

BLOCKS = [block(1, 2, 3), block(10, 12, metadata=True), block(4), block(20, 21, 22, size=30), block(5, 7)]
IDS = [[int(each) for each in made.ids] for made in BLOCKS]
SEGMENT, INDEX = FOLDER / "0000000001.seg", FOLDER / "0000000001.idx"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the blocks in one segment; the large one was written past the page cache."""
    folder = tmp_path_factory.mktemp("original") / "store"
    fill(folder, *BLOCKS, direct_bytes=1000)
    return folder


def ends(folder: Path) -> list[int]:
    """Return where each block of the segment ends."""
    with DirectoryStore(folder) as store, store.read(ADDRESS) as reader:
        list(reader.blocks())
        blocks = reader._committed.blocks
        return [blocks.header(number).end for number in range(len(blocks))]


@given(data=st.data())
def test_a_torn_tail_is_left_out_and_the_next_writer_goes_on(original: Path, data: st.DataObject) -> None:
    sizes = {name: (original / name).stat().st_size for name in (SEGMENT, INDEX)}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(original, Path(place) / "store"))
        as_if_killed(folder)
        cut = data.draw(st.integers(0, sizes[SEGMENT]), "segment")
        with (folder / SEGMENT).open("r+b") as file:
            file.truncate(cut)
        with (folder / INDEX).open("r+b") as file:
            file.truncate(data.draw(st.integers(0, sizes[INDEX]), "index"))
        whole = [each for each, end in zip(IDS, ends(original), strict=True) if end <= cut]
        left = [number for each in whole for number in each]
        with DirectoryStore(folder) as store:
            assert store.info(ADDRESS).state is StreamState.STALLED
            with store.write(ADDRESS) as writer:
                assert writer.written == len(left)
                assert writer.last_id == max(left, default=0)
                assert writer.present(np.arange(30, dtype=np.uint64)).nonzero()[0].tolist() == sorted(left)
                writer.append(block(25, 26))
            assert ids_of(store) == [*left, 25, 26]
            assert store.verify(ADDRESS).problems == []
            assert store.info(ADDRESS).missing == 26 - len(left) - 2


@given(data=st.data())
def test_a_reader_needs_no_index(original: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(original, Path(place) / "store"))
        if data.draw(st.booleans(), "none at all"):
            (folder / INDEX).unlink()
        else:
            with (folder / INDEX).open("r+b") as file:
                file.truncate(data.draw(st.integers(0, (original / INDEX).stat().st_size), "index"))
        with DirectoryStore(folder) as store:
            assert ids_of(store) == [number for each in IDS for number in each]
            store.rebuild(ADDRESS)
            assert (folder / INDEX).read_bytes() == (original / INDEX).read_bytes()
            assert store.verify(ADDRESS).problems == []


@given(data=st.data())
def test_a_flipped_bit_costs_one_block_at_most_and_is_named(original: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([SEGMENT, INDEX, FOLDER / "state"]), "file")
    size = (original / name).stat().st_size
    at, bit = data.draw(st.integers(0, size - 1), "byte"), data.draw(st.integers(0, 7), "bit")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(original, Path(place) / "store"))
        with (folder / name).open("r+b") as file:
            file.seek(at)
            flipped = file.read(1)[0] ^ (1 << bit)
            file.seek(at)
            file.write(bytes([flipped]))
        errors: list[IntegrityError] = []
        with DirectoryStore(folder) as store:
            found = ids_of(store, errors.append)
            lost = [each for each in IDS if not set(each) <= set(found)]
            assert found == [number for each in IDS if each not in lost for number in each]
            assert len(lost) == len(errors) <= 1
            problems = store.verify(ADDRESS).problems
            assert all(str(folder) in problem for problem in problems)
            assert problems or is_padding(original, name, at)
            assert all(name == SEGMENT and f"{folder / SEGMENT}: " in str(error) for error in errors)
            store.rebuild(ADDRESS)
            errors.clear()
            assert ids_of(store, errors.append) == found


def is_padding(folder: Path, name: Path, at: int) -> bool:
    """Whether a byte of a segment lies between two blocks."""
    begins = []
    with DirectoryStore(folder) as store, store.read(ADDRESS) as reader:
        list(reader.blocks())
        blocks = reader._committed.blocks
        begins = [blocks.header(number).at for number in range(len(blocks))]
    spans = [(0, 128), *zip(begins, ends(folder), strict=True)]
    return name == SEGMENT and not any(begin <= at < end for begin, end in spans)


def test_an_index_that_was_not_synced_before_the_next_segment_was_begun(tmp_path: Path) -> None:
    fill(tmp_path / "store", *BLOCKS[:3])
    fill(tmp_path / "store", *BLOCKS[3:])
    as_if_killed(tmp_path / "store")
    with (tmp_path / "store" / INDEX).open("r+b") as file:
        file.truncate(128 + 128 + 50)
    with DirectoryStore(tmp_path / "store") as store:
        assert ids_of(store) == [number for each in IDS for number in each]
        store.write(ADDRESS).close()
        assert store.verify(ADDRESS).problems == []


def test_an_index_of_another_segment_is_not_taken_for_its_own(original: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(original, tmp_path / "store"))
    fill(tmp_path / "other", block(1, 2), block(3, 4))
    shutil.copy(tmp_path / "other" / INDEX, folder / INDEX)
    with DirectoryStore(folder) as store:
        problems = store.verify(ADDRESS).problems
        assert len(problems) == 1
        assert str(folder / INDEX) in problems[0]
        store.rebuild(ADDRESS)
        assert ids_of(store) == [number for each in IDS for number in each]
        assert store.verify(ADDRESS).problems == []
