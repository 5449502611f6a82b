"""The faces for coroutines do what the plain ones do; both go through the same steps."""

import asyncio
import inspect
import threading
from collections.abc import Iterator

import pytest

import penstock
from penstock.core.block import Block
from penstock.errors import BusyError, ConflictError, NoDataError, StoreFullError, StreamEndedError
from penstock.streams.consumer import AsyncConsumer, Consumer
from penstock.streams.dataset_consumer import AsyncDatasetConsumer, DatasetConsumer
from penstock.streams.open_store import AsyncOpenStore, OpenStore
from penstock.streams.producer import AsyncProducer, Producer
from penstock.streams.steps import Call, Steps, run, run_async
from tests.unit.streams.failing_store import FailingStore

RUN = "c2026/eiger/run 7"


@pytest.fixture
def failing() -> Iterator[FailingStore]:
    with FailingStore() as store:
        yield store


@pytest.mark.parametrize(
    ("plain", "twin"),
    [
        (Producer, AsyncProducer),
        (Consumer, AsyncConsumer),
        (DatasetConsumer, AsyncDatasetConsumer),
        (OpenStore, AsyncOpenStore),
    ],
)
def test_the_twins_have_the_same_names_and_parameters(plain: type, twin: type) -> None:
    def signatures(cls: type) -> dict[str, list[str]]:
        public = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
        return {
            name: [str(p) for p in inspect.signature(value).parameters.values()] if callable(value) else []
            for name, value in public.items()
        }

    assert signatures(plain) == signatures(twin)


def test_steps_get_answers_and_errors_in_both_ways() -> None:
    def fail() -> int:
        raise KeyError("x")

    def steps() -> Steps[list[object]]:
        found: list[object] = [(yield Call(lambda: 1))]
        try:
            yield Call(fail)
        except KeyError as error:
            found.append(error.args)
        return found

    assert run(steps()) == asyncio.run(run_async(steps())) == [1, ("x",)]


def test_what_is_sent_is_followed_by_many(failing: FailingStore) -> None:
    async def main() -> None:
        store = penstock.open_async_store(failing)

        async def follow() -> list[int]:
            async with store.consumer(RUN) as consumer:
                return [message.id async for message in consumer.follow()]

        async def send() -> None:
            async with store.producer(RUN) as out:
                for _ in range(3):
                    assert (await (await out.send(b"x"))).kind == "stored"
                await asyncio.gather(*[await out.send(b"x") for _ in range(100)])
                await out.flush()
                await out.finish(next_stream="run 8")

        first, second, _ = await asyncio.gather(follow(), follow(), send())
        assert first == second == list(range(1, 104))
        async with store.consumer(RUN) as consumer:
            assert [message.id async for message in consumer.range(2, 4)] == [2, 3, 4]
            assert len([message async for message in consumer.between(0, 2**63 - 1)]) == 103
            assert (await consumer.get(5)).id == (await consumer.last()).id - 98
            assert (await consumer.next()).id == 1
            assert (await consumer.missing(1, 104)).tolist() == [104]
            assert (await consumer.wait_for_end()).next_stream == "run 8"
            with pytest.raises(StreamEndedError):
                await consumer.get(104)
        assert [info.count for info in await store.streams()] == [103]

    asyncio.run(main())


def test_awaiting_a_receipt_raises_what_kept_it_from_being_stored(failing: FailingStore) -> None:
    async def main() -> None:
        out = penstock.open_async_store(failing).producer(RUN)
        await (await out.send(b"a", id=1))
        with pytest.raises(ConflictError):
            await (await out.send(b"b", id=1))
        failing.before = lambda block: StoreFullError("no room")
        with pytest.raises(StoreFullError):
            await (await out.send(b"c"))
        await out.send(b"d")
        with pytest.raises(StoreFullError):
            await out.close()

    asyncio.run(main())


def test_a_full_producer_lets_others_run(failing: FailingStore) -> None:
    opened = threading.Event()

    def before(block: Block) -> None:
        assert opened.wait(20)

    failing.before = before

    async def main() -> None:
        async with penstock.open_async_store(failing).producer(RUN, most_open=2) as out:
            await out.send(b"")
            await out.send(b"")
            with pytest.raises(BusyError):
                await out.send(b"", timeout_s=0)
            with pytest.raises(BusyError):
                await out.send(b"", timeout_s=0.001)
            waiting = asyncio.create_task(out.send(b""))
            await asyncio.sleep(0)
            assert not waiting.done()
            opened.set()
            assert (await (await waiting)).kind == "stored"

    asyncio.run(main())


def test_a_wait_ends_in_time_or_when_it_is_cancelled(failing: FailingStore) -> None:
    async def main() -> None:
        async with penstock.open_async_store(failing).consumer(RUN) as consumer:
            with pytest.raises(NoDataError):
                await consumer.next(0)
            with pytest.raises(NoDataError):
                await consumer.next(0.001)
            waiting = asyncio.create_task(consumer.next())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            with penstock.open_store(failing).producer(RUN) as out:
                out.send(b"x")
            assert (await consumer.next()).id == 1

    asyncio.run(main())


def test_datasets_are_followed(failing: FailingStore) -> None:
    async def main() -> None:
        store = penstock.open_async_store(failing)

        async def send(part: int) -> None:
            async with store.producer(RUN) as out:
                for number in (1, 2, 3):
                    await (await out.send(b"", id=number, part=(part, 3)))
                await out.finish()

        async def follow() -> list[tuple[int, bool]]:
            async with store.datasets(RUN) as datasets:
                return [(dataset.id, dataset.is_complete) async for dataset in datasets.follow()]

        found, *_ = await asyncio.gather(follow(), send(1), send(2), send(3))
        assert sorted(found) == [(1, True), (2, True), (3, True)]
        async with store.datasets(RUN) as datasets:
            assert (await datasets.last()).id == 3
            assert (await datasets.get(2)).is_complete
            assert [dataset.id async for dataset in datasets.range(2, 9)] == [2, 3]
            assert (await datasets.wait_for_end()).state == "finished"

    asyncio.run(main())


def test_the_store_has_the_same_doors(failing: FailingStore) -> None:
    async def main() -> None:
        async with penstock.open_async_store("memory:") as store:
            async with store.producer(RUN) as out:
                await out.set_metadata({"x": 1}, of="source")
                await out.send(b"")
                await out.next_stream("run 8")
                await out.abort("enough")
            assert await store.metadata("c2026/eiger") == {"x": 1}
            await store.set_metadata(RUN, {"y": 2})
            assert (await store.info(RUN)).next_stream == "run 8"
            last = await store.last_stream("c2026/eiger")
            assert last is not None
            assert (last.address.stream, last.state) == ("run 8", "aborted")
            assert [info.address.stream for info in await store.streams(states="finished")] == ["run 7"]
            assert await store.delete(RUN)
            assert await store.metadata(RUN) is None

    asyncio.run(main())
