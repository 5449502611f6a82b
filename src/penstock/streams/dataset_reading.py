"""What both consumers of datasets do: put the parts of an id together, and wait for those that are late."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from penstock.core.id_set import LARGEST_ID, IdSet
from penstock.core.stream_address import StreamAddress
from penstock.errors import (
    IntegrityError,
    MissingMessageError,
    NoDataError,
    PartialDataError,
    StreamError,
    UnknownStreamError,
)
from penstock.streams.dataset import Dataset, check_stream_name, part_address, table_address
from penstock.streams.more import Deadline, More
from penstock.streams.reading import ENDED, arrived, check_id, ended, is_unknown, nothing_yet
from penstock.streams.steps import Steps
from penstock.streams.store import Store, StreamInfo, StreamReader, StreamState

__all__ = ["DatasetReading", "combined"]

WINDOW: Final = 4096
"""Ids among which the last dataset is looked for first."""


class DatasetReading:
    """The datasets of one stream; used by one thread at a time, but ``close`` may come from any.

    Parameters
    ----------
    parts
        How many parts they have, if that is known; else it is found out when the first part comes.
    """

    def __init__(self, store: Store, address: StreamAddress, parts: int | None) -> None:
        check_stream_name(address)
        self.address = address
        self._store = store
        self._readers: dict[int, StreamReader] = {}
        self._positions: dict[int, int] = {}
        self._base = store.read(address)  # nothing comes there; to be waited on while no part is known, and closed
        self._table = store.read(table_address(address))  # ends when it is known how many parts there are
        self._begun = IdSet()  # ids that some part has, and that were put on the heap
        self._waiting: list[int] = []  # a heap of those that ``next`` has not returned
        if parts is not None:
            self._open(parts)

    @property
    def expected(self) -> int:
        """How many parts the datasets have; 0 while nobody knows."""
        if not self._readers:
            self._open(int((self._store.metadata(table_address(self.address)) or {}).get("parts", 0)))
        return len(self._readers)

    @property
    def info(self) -> StreamInfo:
        """How the stream is, as of now; it counts datasets, complete or not."""
        return combined(self.address, self._readers) if self.expected else StreamInfo(address=self.address)

    @property
    def _standing(self) -> StreamInfo:
        """As ``info``, without counting."""
        return _together(self.address, [reader.info for reader in self._readers.values()])

    def get(self, dataset_id: int, min_size: int | None, timeout_s: float | None) -> Steps[Dataset]:
        """Return a dataset, complete, or when the time is up with enough parts."""
        dataset_id = check_id(dataset_id)
        deadline = Deadline(timeout_s)
        yield from self._announced(deadline)
        return (yield from self._gathered(dataset_id, min_size, deadline))

    def next(
        self, min_size: int | None, timeout_s: float | None, patience_s: float | None, from_id: int = 1
    ) -> Steps[Dataset]:
        """Return the dataset with the smallest id of which a part is there and that was not returned before."""
        deadline = Deadline(timeout_s)
        yield from self._announced(deadline)
        while True:
            info = self._standing  # before, so that none is overlooked
            self._take_ids(from_id)
            if self._waiting:
                return (yield from self._gathered(heappop(self._waiting), min_size, Deadline(patience_s)))
            if info.state in ENDED:
                raise ended(info)
            if not (yield More(self._going(self._positions), deadline.left_s)):
                raise nothing_yet(self._standing)

    def last(self, min_size: int | None, newer_than: int, timeout_s: float | None) -> Steps[Dataset]:
        """Return the dataset with the largest id of those that have enough parts."""
        deadline = Deadline(timeout_s)
        yield from self._announced(deadline)
        while True:
            info, watched = self._standing, self._going()
            found = self._newest(info.last_id, newer_than, self.expected if min_size is None else min_size)
            if found:
                return self._found(found)
            if info.state in ENDED:
                raise ended(info)
            if not (yield More(watched, deadline.left_s)):
                info = self._standing
                if info.last_id > newer_than:
                    raise NoDataError(f"{self.address} has no dataset yet with as many parts as were asked for")
                raise nothing_yet(info)

    def wait_for_end(self, timeout_s: float | None) -> Steps[StreamInfo]:
        """Return how the stream is when it has ended."""
        deadline = Deadline(timeout_s)
        yield from self._announced(deadline)
        while True:
            watched = self._going()
            if self._standing.state in ENDED:
                return self.info
            if not (yield More(watched, deadline.left_s)):
                raise nothing_yet(self._standing)

    def range(self, first_id: int, last_id: int) -> Iterator[Dataset]:
        """Yield datasets of some ids with the parts that are there, ids ascending."""
        first_id, last_id = check_id(first_id), check_id(last_id)
        if not self.expected:
            return
        ids = IdSet()
        for reader in self._readers.values():
            for some in _ids(reader, first_id, last_id):
                ids.add_all(some)
        for first, last in ids.ranges(first_id, last_id):
            yield from map(self._found, range(first, last + 1))

    def close(self) -> None:
        """Let go."""
        for reader in [self._base, self._table, *self._readers.values()]:
            reader.close()

    def _open(self, parts: int) -> None:
        for part in range(1, parts + 1):
            self._readers[part] = self._store.read(part_address(self.address, part))
            self._positions[part] = 0

    def _announced(self, deadline: Deadline) -> Steps[None]:
        """Wait until it is known how many parts there are."""
        while not self.expected:
            if not is_unknown(self._base.info):
                raise StreamError(f"{self.address} has single messages, no datasets; read it with consumer()")
            left_s = deadline.left_s
            if left_s == 0:
                raise UnknownStreamError(f"there is no stream {self.address} yet")
            yield More([(self._base, 0), (self._table, 0)], left_s)

    def _gathered(self, dataset_id: int, min_size: int | None, deadline: Deadline) -> Steps[Dataset]:
        while True:
            infos = {part: reader.info for part, reader in self._readers.items()}  # before, so that none is overlooked
            dataset = self._found(dataset_id)
            if dataset.is_complete:
                return dataset
            absent = [part for part in infos if part not in dataset.parts]
            will_never = any(infos[part].state in ENDED for part in absent)
            watched = [(self._readers[part], arrived(infos[part])) for part in absent]
            if will_never or not (yield More(watched, deadline.left_s)):
                return self._enough(self._found(dataset_id), min_size)

    def _enough(self, dataset: Dataset, min_size: int | None) -> Dataset:
        here = len(dataset.parts)
        if dataset.is_complete or (min_size is not None and here >= max(min_size, 1)):
            return dataset
        info = self._standing
        if not here:
            if dataset.id < info.last_id:
                raise MissingMessageError(
                    f"{self.address} has no part of dataset {dataset.id}, though there is {info.last_id}"
                )
            raise ended(info) if info.state in ENDED else nothing_yet(info)
        wanted = dataset.expected if min_size is None else min_size
        raise PartialDataError(
            f"{self.address}: dataset {dataset.id} has {here} of {dataset.expected} parts; {wanted} were asked for",
            dataset=dataset,
        )

    def _found(self, dataset_id: int) -> Dataset:
        messages = {part: reader.message(dataset_id) for part, reader in self._readers.items()}
        return Dataset(
            id=dataset_id,
            expected=len(messages),
            parts={part: message for part, message in messages.items() if message is not None},
        )

    def _take_ids(self, from_id: int) -> None:
        """Look at what has arrived since the last time."""
        for part, reader in self._readers.items():
            try:
                for stored in reader.blocks(self._positions[part]):
                    self._positions[part] = stored.position + len(stored.block)
                    for number in stored.block.ids.tolist():
                        if number >= from_id and self._begun.add(number):
                            heappush(self._waiting, number)
            except IntegrityError as error:  # raised once; the next call goes on behind
                self._positions[part] = max(error.after, self._positions[part])
                raise

    def _going(self, positions: Mapping[int, int] | None = None) -> list[tuple[StreamReader, int]]:
        """Return the readers of parts that may still come, with where they are, or how much of them has arrived."""
        infos = [(part, reader, reader.info) for part, reader in self._readers.items()]
        # One that has ended would be news for ever.
        return [
            (reader, arrived(info) if positions is None else positions[part])
            for part, reader, info in infos
            if info.state not in ENDED
        ] or [(self._base, 0)]

    def _newest(self, last_id: int, newer_than: int, parts: int) -> int:
        window = WINDOW
        while last_id > newer_than:
            first_id = max(newer_than + 1, last_id - window + 1)
            ids = [some for reader in self._readers.values() for some in _ids(reader, first_id, last_id)]
            found, counts = np.unique(np.concatenate(ids) if ids else np.empty(0, np.uint64), return_counts=True)
            enough = found[counts >= max(parts, 1)]
            if len(enough):
                return int(enough[-1])
            last_id, window = first_id - 1, window * 4
        return 0


def combined(address: StreamAddress, readers: Mapping[int, StreamReader]) -> StreamInfo:
    """Return how a stream of datasets is, of which these are the parts."""
    ids = IdSet()
    for reader in readers.values():
        for some in _ids(reader, 1, LARGEST_ID):
            ids.add_all(some)
    info = _together(address, [reader.info for reader in readers.values()])
    return replace(info, count=ids.count, first_id=ids.first, missing=info.last_id - ids.count)


def _together(address: StreamAddress, infos: Sequence[StreamInfo]) -> StreamInfo:
    there = [info for info in infos if not is_unknown(info)]
    if not there:
        return StreamInfo(address=address)
    aborted = next((info for info in there if info.state is StreamState.ABORTED), None)
    return StreamInfo(
        address=address,
        state=aborted.state if aborted else _state([info.state for info in infos]),
        next_stream=next((info.next_stream for info in there if info.next_stream), ""),
        reason=aborted.reason if aborted else "",
        removed=max(info.removed for info in there),
        last_id=max(info.last_id for info in there),
        nbytes=sum(info.nbytes for info in there),
        created_ns=min(info.created_ns for info in there),
        last_ns=max(info.last_ns for info in there),
    )


def _state(states: list[StreamState]) -> StreamState:
    """Return finished if all are; stalled if one is, as no dataset will be complete without it; else open."""
    if all(state is StreamState.FINISHED for state in states):
        return StreamState.FINISHED
    return StreamState.STALLED if StreamState.STALLED in states else StreamState.OPEN


def _ids(reader: StreamReader, first_id: int, last_id: int) -> Iterator[Any]:
    """Yield arrays (n,) of the ids that are there, ascending."""
    at = first_id
    while at <= last_id:
        ids = reader.ids(at)
        if not len(ids):
            return
        at = int(ids[-1]) + 1
        within = ids[ids <= np.uint64(last_id)]
        if len(within):
            yield within
        if at > LARGEST_ID:
            return
