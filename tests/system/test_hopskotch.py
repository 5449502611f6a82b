"""Hopskotch as source and sink, with hop-client on the other side, and brokers that librdkafka brings for tests."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.hopskotch import HopskotchSink
from penstock.elements.sources.hopskotch import HopskotchSource
from penstock.errors import SinkError, SourceError
from tests.system.kafka_cluster import QUICK, SOON, KafkaCluster, kafka_cluster

hop: Any = pytest.importorskip("hop", reason='needs pip install "penstock[hop]"')

FACTS = RunFacts(pipeline="p", run="r")
READING = {"auth": False, "start": "earliest", "until": "end", "settings": QUICK}
LONGEST_S = 60
VOEVENT = """<voe:VOEvent ivorn="ivo://example/e#1" role="test" version="2.0"
    xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0"><What><Param name="z" value="5.5"/></What></voe:VOEvent>"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    with kafka_cluster() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where hop-client looks for its files."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "hop").mkdir()
    return tmp_path / "hop"


@pytest.fixture(autouse=True)
def _nobody(home: Path) -> None:
    """Keep the files of whoever runs the tests out of them."""


def url(cluster: KafkaCluster, topic: str, user: str = "") -> str:
    return f"kafka://{user}{cluster.address}/{topic}"


def read(cluster: KafkaCluster, topic: str, **more: Any) -> tuple[list[Any], HopskotchSource]:
    source = HopskotchSource(url(cluster, topic), **{**READING, **more})

    async def reading() -> list[Any]:
        return [item async for chunk in source for item in chunk]

    return asyncio.run(asyncio.wait_for(reading(), LONGEST_S)), source


def send(cluster: KafkaCluster, topic: str, *items: Any, **more: Any) -> None:
    sink = HopskotchSink(url(cluster, topic), auth=False, settings=SOON, **more)
    sink.open(FACTS)
    for item in items:
        sink.write(item)
    sink.close(True)


def send_by_hop(cluster: KafkaCluster, topic: str, *items: Any, **more: Any) -> None:
    cluster.send(topic, [])
    stream = hop.io.Stream(auth=False).open(url(cluster, topic), "w", automatic_offload=False)
    for item in items:
        stream.write(item, key="one partition", **more)
    stream.close()


def read_by_hop(cluster: KafkaCluster, topic: str, **more: Any) -> list[Any]:
    stream = hop.io.Stream(auth=False, start_at=hop.io.StartPosition.EARLIEST, until_eos=True)
    with stream.open(url(cluster, topic), "r", **more) as reader:
        return list(reader.read(batch_timeout=timedelta(seconds=0.05)))


def test_hop_client_reads_what_is_sent(cluster: KafkaCluster) -> None:
    event = hop.models.VOEvent.load(VOEVENT)
    send(cluster, "ours", {"z": np.float64(5.5), "ts": np.array([1.0, np.nan])}, b"\x00\xff", event)
    got = {type(each).__name__: each for each in read_by_hop(cluster, "ours")}
    assert {name: each.content for name, each in got.items() if name != "VOEvent"} == {
        "JSONBlob": {"z": 5.5, "ts": [1.0, None]},
        "Blob": b"\x00\xff",
    }
    assert got["VOEvent"] == event
    headers = [dict(record.headers()) for record in cluster.records("ours")]
    assert sorted(each["_format"] for each in headers) == [b"blob", b"json", b"voevent"]
    assert len({each["_id"] for each in headers}) == 3


def test_a_key_keeps_an_alert_and_its_updates_in_order(cluster: KafkaCluster) -> None:
    alerts = [{"id": n % 3, "n": n} for n in range(30)]
    send(cluster, "updates", *alerts, key="id")
    got, _ = read(cluster, "updates")
    assert [[each for each in got if each["id"] == n] for n in range(3)] == [alerts[n::3] for n in range(3)]


def test_what_hop_client_sends_is_read(cluster: KafkaCluster) -> None:
    event = hop.models.VOEvent.load(VOEVENT)
    send_by_hop(cluster, "theirs", {"z": 5.5}, b"\x00\xff", event, hop.models.AvroBlob([{"a": 1}]))
    items, source = read(cluster, "theirs")
    assert items == [{"z": 5.5}, b"\x00\xff", event, [{"a": 1}]]
    assert source.malformed == 0
    messages, _ = read(cluster, "theirs", gives="message")
    assert messages[0].metadata["z"] == 5.5
    assert ["_format", b"json"] in messages[0].metadata["kafka"]["headers"]


def test_what_has_no_label_is_json_or_a_blob(cluster: KafkaCluster) -> None:
    cluster.send("bare", [b'{"z": 1}', b"{", b'{"format": "blob", "content": [2]}', None])
    assert read(cluster, "bare")[0] == [{"z": 1}, b"{", [2], None]


def test_what_is_not_what_its_label_says_is_counted(cluster: KafkaCluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.send("broken", [b"{"], headers=[("_format", b"json")])
    cluster.send("broken", [b"<no/>"], headers=[("_format", b"voevent")])
    cluster.send("broken", [b"1"], headers=[("_format", b"json")])
    items, source = read(cluster, "broken")
    assert (items, source.malformed) == ([1], 2)
    assert "broken, partition 0, offset 0: cannot be read: JSONDecodeError" in caplog.text


def test_tests_are_left_out_unless_they_are_wanted(cluster: KafkaCluster) -> None:
    send(cluster, "tests", 1, test=True)
    send_by_hop(cluster, "tests", 2, test=True)
    send(cluster, "tests", 3)
    items, source = read(cluster, "tests")
    assert (items, source.left_out) == ([3], 2)
    assert sorted(read(cluster, "tests", tests=True)[0]) == [1, 2, 3]
    assert [each.content for each in read_by_hop(cluster, "tests")] == [3]


def test_an_item_that_cannot_be_sent_is_named(cluster: KafkaCluster) -> None:
    sink = HopskotchSink(url(cluster, "objects"), auth=False, key="id")
    sink.open(FACTS)
    with pytest.raises(SinkError, match=r"topic objects: a dict cannot be written as JSON"):
        sink.write({"id": 1, "what": object()})
    with pytest.raises(SinkError, match=r'topic objects: no field "id"'):
        sink.write({"what": 1})
    sink.close(False)


def test_an_alert_that_is_not_delivered_is_told_at_once() -> None:
    with kafka_cluster() as cluster:
        sink = HopskotchSink(url(cluster, "gone"), auth=False, timeout_s=0.2)
        sink.open(FACTS)
    with pytest.raises(SinkError, match=r"topic gone, .*: .*timed out"):
        sink.write({"z": 5.5})
    sink.close(False)


def credential(home: Path, *entries: str, mode: int = 0o600) -> None:
    file = home / "auth.toml"
    file.write_text("\n".join(f"[[auth]]\n{entry}" for entry in entries))
    file.chmod(mode)


ENTRY = 'username = "ada-1"\npassword = "secret"\nhostname = "{host}"\nprotocol = "SASL_PLAINTEXT"\n'


def test_a_credential_is_taken_from_where_hop_client_has_it(cluster: KafkaCluster, home: Path) -> None:
    credential(home, ENTRY.format(host=cluster.address))
    # The broker of the tests knows no authentication, and so refuses one.
    with pytest.raises(SourceError, match=rf"^Kafka at {cluster.address}: no broker answers: .*(SASL|authenticat)"):
        read(cluster, "theirs", auth=True, connect_s=0.5)
    with pytest.raises(SinkError, match=r"no broker answers: .*(SASL|authenticat)"):
        HopskotchSink(url(cluster, "theirs"), connect_s=0.5).open(FACTS)


def test_without_a_credential_it_is_said_what_to_do(cluster: KafkaCluster, home: Path) -> None:
    with pytest.raises(SinkError, match=r"no credential in .*/hop/auth.toml; `hop auth add` stores one, auth: false"):
        HopskotchSink(url(cluster, "theirs")).open(FACTS)
    credential(home, ENTRY.format(host="elsewhere:9092"))
    with pytest.raises(SourceError, match=f"Hopskotch at {cluster.address}: .*No matching credential"):
        read(cluster, "theirs", auth=True)
    credential(home, ENTRY.format(host=cluster.address), ENTRY.format(host=cluster.address).replace("ada-1", "bob-2"))
    with pytest.raises(SourceError, match=r"[Aa]mbiguous|multiple|more than one"):
        read(cluster, "theirs", auth=True)
    credential(home, ENTRY.format(host=cluster.address), mode=0o644)
    with pytest.raises(SourceError, match="unsafe permissions"):
        read(cluster, "theirs", auth=True)
