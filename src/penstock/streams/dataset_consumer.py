"""Reads the datasets of one stream: for plain callers, and for coroutines by the same names."""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamAbortedError, StreamEndedError
from penstock.streams.dataset import Dataset
from penstock.streams.dataset_reading import DatasetReading
from penstock.streams.steps import run, run_async
from penstock.streams.store import Store, StreamInfo

__all__ = ["AsyncDatasetConsumer", "DatasetConsumer"]

PATIENCE_S = 5.0


class DatasetConsumer:
    """Reads one stream of datasets, which may not exist yet.

    It is used by one thread at a time, but ``close`` may come from any: whoever waits gets a ``StateError``.

    Parameters
    ----------
    parts
        How many parts the datasets have, if that is known; else it is found out when the first part comes.
    """

    def __init__(self, store: Store, address: StreamAddress, *, parts: int | None = None) -> None:
        self._reading = DatasetReading(store, address, parts)

    @property
    def address(self) -> StreamAddress:
        """The stream's."""
        return self._reading.address

    @property
    def info(self) -> StreamInfo:
        """How the stream is, as of now: it counts datasets, complete or not.

        It is finished when all parts' producers have said so, aborted when one has, and stalled when one is.
        """
        return self._reading.info

    def follow(
        self,
        *,
        from_id: int = 1,
        min_size: int | None = None,
        timeout_s: float | None = None,
        patience_s: float | None = PATIENCE_S,
    ) -> Iterator[Dataset]:
        """Yield datasets, those with smaller ids first, until all their producers have finished.

        Parameters
        ----------
        from_id
            Leave out those with smaller ids.
        min_size
            How many parts are enough when patience is at its end; ``None`` for all.
        timeout_s
            How long to wait for the first part of the next one; ``None`` for ever.
        patience_s
            How long to wait for the other parts. Not at all for what cannot come, as its producer has finished.

        Raises
        ------
        PartialDataError
            If one has too few parts when patience is at its end; it has those that came. Follow again to go on behind.
        StreamAbortedError
            After the last one, if a producer has aborted.
        NoDataError
            If none came in time; as ``Consumer.follow``.
        """
        while True:
            try:
                dataset = self.next(min_size, timeout_s=timeout_s, patience_s=patience_s, from_id=from_id)
            except StreamAbortedError:
                raise
            except StreamEndedError:
                return
            yield dataset

    def next(
        self,
        min_size: int | None = None,
        *,
        timeout_s: float | None = None,
        patience_s: float | None = PATIENCE_S,
        from_id: int = 1,
    ) -> Dataset:
        """Return the dataset with the smallest id that was not returned before; one that is late comes late.

        Raises
        ------
        PartialDataError
            As ``follow``; the next call returns the next one.
        StreamEndedError
            At once, if all were returned and all producers have finished.
        NoDataError
            As ``follow``.
        """
        return run(self._reading.next(min_size, timeout_s, patience_s, from_id))

    def last(self, min_size: int | None = None, *, newer_than: int = 0, timeout_s: float | None = 0.0) -> Dataset:
        """Return the dataset with the largest id of those that have all parts, or as many as are asked for.

        Raises
        ------
        StreamEndedError
            If all producers have finished without one.
        NoDataError
            If there is none in time.
        """
        return run(self._reading.last(min_size, newer_than, timeout_s))

    def get(self, id: int, min_size: int | None = None, *, timeout_s: float | None = 0.0) -> Dataset:  # noqa: A002
        """Return a dataset by its id: as soon as it is complete, or when the time is up with enough parts.

        Raises
        ------
        PartialDataError
            If it has some parts, but too few.
        MissingMessageError
            If it has none, though larger ids are there.
        StreamEndedError
            If the stream has ended with a smaller id.
        NoDataError
            If nothing so late came in time.
        """
        return run(self._reading.get(id, min_size, timeout_s))

    def range(self, first_id: int, last_id: int) -> Iterator[Dataset]:
        """Yield datasets of some ids, both included, with the parts that are there now, ids ascending."""
        return self._reading.range(first_id, last_id)

    def wait_for_end(self, timeout_s: float | None = None) -> StreamInfo:
        """Wait until all producers have finished, or one has aborted; as ``Consumer.wait_for_end``."""
        return run(self._reading.wait_for_end(timeout_s))

    def close(self) -> None:
        """Let go; arrays that somebody holds stay valid."""
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncDatasetConsumer:
    """As ``DatasetConsumer``, for coroutines: the same names, to be awaited, or to be looped over by ``async for``."""

    def __init__(self, store: Store, address: StreamAddress, *, parts: int | None = None) -> None:
        self._reading = DatasetReading(store, address, parts)

    @property
    def address(self) -> StreamAddress:
        """As ``DatasetConsumer.address``."""
        return self._reading.address

    @property
    def info(self) -> StreamInfo:
        """As ``DatasetConsumer.info``."""
        return self._reading.info

    async def follow(
        self,
        *,
        from_id: int = 1,
        min_size: int | None = None,
        timeout_s: float | None = None,
        patience_s: float | None = PATIENCE_S,
    ) -> AsyncIterator[Dataset]:
        """As ``DatasetConsumer.follow``."""
        while True:
            try:
                dataset = await self.next(min_size, timeout_s=timeout_s, patience_s=patience_s, from_id=from_id)
            except StreamAbortedError:
                raise
            except StreamEndedError:
                return
            yield dataset

    async def next(
        self,
        min_size: int | None = None,
        *,
        timeout_s: float | None = None,
        patience_s: float | None = PATIENCE_S,
        from_id: int = 1,
    ) -> Dataset:
        """As ``DatasetConsumer.next``."""
        return await run_async(self._reading.next(min_size, timeout_s, patience_s, from_id))

    async def last(self, min_size: int | None = None, *, newer_than: int = 0, timeout_s: float | None = 0.0) -> Dataset:
        """As ``DatasetConsumer.last``."""
        return await run_async(self._reading.last(min_size, newer_than, timeout_s))

    async def get(self, id: int, min_size: int | None = None, *, timeout_s: float | None = 0.0) -> Dataset:  # noqa: A002
        """As ``DatasetConsumer.get``."""
        return await run_async(self._reading.get(id, min_size, timeout_s))

    async def range(self, first_id: int, last_id: int) -> AsyncIterator[Dataset]:
        """As ``DatasetConsumer.range``."""
        for dataset in self._reading.range(first_id, last_id):
            yield dataset

    async def wait_for_end(self, timeout_s: float | None = None) -> StreamInfo:
        """As ``DatasetConsumer.wait_for_end``."""
        return await run_async(self._reading.wait_for_end(timeout_s))

    async def close(self) -> None:
        """As ``DatasetConsumer.close``."""
        self._reading.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
