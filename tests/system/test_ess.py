"""Records of the ESS over Kafka, written by the facility's own library, against the brokers that librdkafka brings."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.core import Kind, Message
from penstock.elements.sources.ess import EssSource
from penstock.pipeline import Join, Map, Pipeline, Source
from penstock.services.kafka_outlet import DETECTOR, RUNS, KafkaOutlet
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup
from tests.system.kafka_cluster import QUICK, KafkaCluster, kafka_cluster

types: Any = pytest.importorskip("streaming_data_types", reason="needs pip install ess-streaming-data-types")
from streaming_data_types.eventdata_ev44 import serialise_ev44  # noqa: E402
from streaming_data_types.logdata_f144 import serialise_f144  # noqa: E402
from streaming_data_types.run_start_pl72 import serialise_pl72  # noqa: E402
from streaming_data_types.run_stop_6s4t import serialise_6s4t  # noqa: E402
from streaming_data_types.status_x5f2 import serialise_x5f2  # noqa: E402

START_MS, STOP_MS, STEP_MS = 1_795_176_000_000, 1_795_176_001_000, 100
LONGEST_S = 60
CODE = "def neutrons(event):\n    return [len(part.array) for part in event.parts if part is not None]\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    with kafka_cluster() as made:
        yield made


def pulse(number: int, source: str = "bank") -> bytes:
    """Return the pulse of a time: those of the run are 0 to 9."""
    time_ns = (START_MS + number * STEP_MS) * 1_000_000
    return bytes(serialise_ev44(source, number + 10, [time_ns], [0], range(number + 10), range(number + 10)))


def run_starts() -> bytes:
    return bytes(serialise_pl72("job", "a.nxs", START_MS))


def run_stops() -> bytes:
    return bytes(serialise_6s4t("job", stop_time=STOP_MS))


def source(cluster: KafkaCluster, topics: Any, **more: Any) -> EssSource:
    return EssSource(cluster.address, topics, **{"start": "earliest", "settings": QUICK, **more})


def read_all(source: EssSource) -> list[Message]:
    async def reading() -> list[Message]:
        return [message async for chunk in source for message in chunk]

    return asyncio.run(asyncio.wait_for(reading(), LONGEST_S))


def test_a_run_has_its_data_whichever_topic_is_quicker(cluster: KafkaCluster) -> None:
    for partition in range(2):
        cluster.send("det", [pulse(n) for n in range(-3 + partition, 14, 2)], partition=partition)
    cluster.send("det", [b"nonsense", bytes(serialise_x5f2("a", "1", "b", "c", 1, 1000, "{}"))], partition=2)
    cluster.send("det", [run_stops()], partition=3)  # no news of a run there
    cluster.send("runs", [run_starts(), run_stops()])
    reader = source(cluster, "det", runs="runs", outside="drop", until="end", settle_s=20)  # at the latest
    got = read_all(reader)
    assert [message.kind for message in (got[0], got[-1])] == [Kind.START, Kind.END]
    assert sorted(message.key or 0 for message in got[1:-1]) == list(range(10, 20))
    assert reader.outside == 7
    assert (reader.left_out, reader.malformed) == (3, 0)


def test_an_end_is_given_though_nothing_comes_any_more(cluster: KafkaCluster) -> None:
    cluster.send("quiet", [pulse(0)])
    cluster.send("quiet-runs", [run_starts(), run_stops()])

    async def until_the_end() -> list[Message]:
        got: list[Message] = []
        chunks = aiter(source(cluster, "quiet", runs="quiet-runs", settle_s=0.05))
        async for chunk in chunks:
            got += chunk
            if len(got) == 3:
                break
        await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator
        return got

    got = asyncio.run(asyncio.wait_for(until_the_end(), LONGEST_S))
    assert {message.kind for message in got} == {Kind.START, Kind.DATA, Kind.END}


def test_a_record_that_is_cut_is_counted(cluster: KafkaCluster) -> None:
    cluster.send("cut", [pulse(0), pulse(1)[:-4], pulse(2)])
    reader = source(cluster, "cut", until="end")
    assert [message.key for message in read_all(reader)] == [10, 12]
    assert reader.malformed == 1


def test_banks_are_joined_by_their_numbers(cluster: KafkaCluster, tmp_path: Path) -> None:
    cluster.send("banks", [pulse(n, bank) for n in range(5) for bank in ("left", "right") if (n, bank) != (2, "left")])
    cluster.send("banks", [bytes(serialise_f144("motor", 1.5, START_MS * 1_000_000))])
    (tmp_path / "mine.py").write_text(CODE)
    common: dict[str, Any] = {"brokers": cluster.address, "topics": "banks", "start": "earliest", "until": "end"}
    pipeline = Pipeline(
        name="neutrons",
        sources={bank: Source("ess", sources=bank, settings=QUICK, **common) for bank in ("left", "right")},
        events={"pulses": Join("left", "right", by="key", incomplete="pass", wait_s=0.1)},
        stages={"count": Map("mine:neutrons", source="pulses")},
        folder=tmp_path,
    )
    report = pipeline.run("inline")
    assert (report.outcome, report.edge("pulses", "count").accounts["done"]) == ("finished", 5)
    assert [report.edge(bank, "pulses").counters.get("gaps", 0) for bank in ("left", "right")] == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"outside": "drop"}, "write runs: TOPIC"),
        ({"outside": "lose"}, "write keep, or drop"),
        ({"settle_s": -1}, "settle_s is -1; write seconds"),
        ({"until": "noon"}, "write end, or leave it out"),
        ({"topics": "a b"}, 'no topic can be called "a b"'),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EssSource(**{"brokers": "127.0.0.1:1", "topics": "det", **arguments})


def test_what_can_be_seen_is_known_before() -> None:
    traits = EssSource.traits_with({"brokers": "a:1", "topics": "det", "sources": "left", "runs": "runs"})
    assert (traits.number, traits.clock, traits.has_start) == ("message_id", "reference_time", True)
    assert EssSource.traits_with({"topics": "det"}) == EssSource("a:1", "det").traits


def test_a_simulated_instrument_brings_its_own_broker() -> None:
    with Simulated(Setup(instrument="ess", rows=3, columns=4, seed=5, faults="lost=0.2,corrupt=0.2")) as simulated:
        reader = EssSource(
            simulated.address.removeprefix("tcp://"), DETECTOR, runs=RUNS, start="earliest", settings=QUICK
        )  # fmt: skip

        async def until_the_end() -> list[Message]:
            chunks = aiter(reader)
            got: list[Message] = []
            async for chunk in chunks:
                got += chunk
                if got[-1].kind is Kind.END:
                    break
            await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator
            return got

        got = asyncio.run(asyncio.wait_for(until_the_end(), LONGEST_S))
        report = simulated.wait(LONGEST_S)
    assert report is not None
    assert (report.state, report.injected["lost"] > 0, report.injected["corrupt"] > 0) == ("finished", True, True)
    pulses = [message for message in got if message.kind is Kind.DATA]
    assert sum(message.kind is Kind.START for message in got) == 1  # wherever: topics are in no order to each other
    assert len(pulses) == 12 - report.injected["lost"] - report.injected["corrupt"]
    assert reader.malformed == report.injected["corrupt"]


def test_its_own_connections_are_no_readers() -> None:
    outlet = KafkaOutlet(peers=1)
    outlet.open()
    try:
        assert not outlet.wait(0.5)
    finally:
        outlet.close(0)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"address": "tcp://127.0.0.1:9092"}, "address: ess brings its own broker, which takes any free port"),
        ({"faults": "disconnect@3"}, "faults.disconnect: ess would take its broker with it"),
    ],
)
def test_what_its_broker_cannot_do_is_refused(more: dict[str, str], says: str) -> None:
    (problem,) = Setup(instrument="ess", rows=2, columns=2, **more).problems()  # type: ignore[arg-type]  # all texts
    assert str(problem).startswith(says)
