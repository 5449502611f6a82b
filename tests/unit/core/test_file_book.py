"""The book of files, and its lines: whatever is torn or lacking, done is only what a record says is done."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.file_book import FileBook, FileRecord, FileState, RunRecord
from penstock.formats.file_log import encode_records, read_log

PATHS = st.sampled_from(["/a", "/b b", "/ü\n", '/"'])
RECORDS = st.builds(
    FileRecord,
    path=PATHS,
    state=st.sampled_from(FileState),
    size=st.integers(-1, 2),
    mtime_ns=st.integers(0, 1),
    attempt=st.integers(0, 3),
    items=st.integers(-1, 5),
    cause=st.sampled_from(["", "broken\nin two lines"]),
) | st.builds(RunRecord, run=st.sampled_from(["r1", "r2"]), pipeline=st.just("p"))


def _said(book: FileBook) -> list[object]:
    return [*book, book.runs, {kind: count for kind, count in book.counts.items() if count}]


@given(st.lists(RECORDS, max_size=20), st.data())
def test_a_log_cut_anywhere_is_read_up_to_its_last_whole_line(records: list[FileRecord], data: st.DataObject) -> None:
    log = encode_records(records)
    cut = data.draw(st.integers(0, len(log)))
    found = read_log(log[:cut])
    assert found.records == records[: log[:cut].count(b"\n")]
    assert found.damaged == 0
    assert log[: found.whole] == encode_records(found.records)
    # What is written behind it by the next run is read, too.
    again = read_log(log[: found.whole] + encode_records(records))
    assert again.records == [*found.records, *records]


@given(st.lists(RECORDS, max_size=20), st.binary(max_size=30), st.data())
def test_a_damaged_line_costs_itself_alone(records: list[FileRecord], junk: bytes, data: st.DataObject) -> None:
    junk = junk.replace(b"\n", b"?")
    at = data.draw(st.integers(0, len(records)))
    log = encode_records(records[:at]) + b"{" + junk + b"\n" + encode_records(records[at:])
    assert (read_log(log).records, read_log(log).damaged) == (records, 1)


@given(st.lists(RECORDS, max_size=30))
def test_counts_are_those_of_the_entries(records: list[FileRecord]) -> None:
    book = FileBook(records)
    states = [entry.state for entry in book]
    assert {kind: count for kind, count in book.counts.items() if count} == {
        kind: states.count(kind) for kind in states
    }
    assert len(book) == len(states)


@given(st.lists(RECORDS, max_size=30), PATHS, st.integers(0, 2), st.integers(0, 1))
def test_only_what_was_said_to_be_done_in_this_shape_is_passed_over(
    records: list[FileRecord], path: str, size: int, mtime_ns: int
) -> None:
    book = FileBook(records)
    own = [record for record in records if getattr(record, "path", "") == path]
    shapes = [(record.size, record.mtime_ns) for record in own if record.size >= 0]
    is_done = bool(own) and own[-1].state is FileState.DONE and bool(shapes) and shapes[-1] == (size, mtime_ns)
    assert book.is_wanted(path, size, mtime_ns, most_attempts=100) is not is_done


@given(st.lists(RECORDS, max_size=30))
def test_the_same_records_twice_end_in_the_same_states(records: list[FileRecord]) -> None:
    once, twice = FileBook(records), FileBook([*records, *records])
    assert {entry.path: entry.state for entry in once} == {entry.path: entry.state for entry in twice}


def test_a_file_that_fails_is_wanted_until_it_has_failed_often_enough() -> None:
    book = FileBook()
    for attempt in (1, 2):
        assert book.is_wanted("/a", 1, 1, most_attempts=2)
        book.apply(FileRecord(path="/a", state=FileState.READING, size=1, mtime_ns=1, attempt=attempt))
        book.apply(FileRecord(path="/a", state=FileState.FAILED, cause="bad"))
    assert not book.is_wanted("/a", 1, 1, most_attempts=2)
    assert book.is_wanted("/a", 1, 2, most_attempts=2)
    assert book.attempts("/a", 1, 1) == 2
    assert book.attempts("/a", 1, 2) == 0
    assert book.unfinished() == []
