"""Kafka and Hopskotch as they are written in a pipeline, with and without their libraries; nothing is connected."""

import sys
from typing import Any

import pytest

from penstock.elements.hopskotch import HopAddress
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.hopskotch import HopskotchSink
from penstock.elements.sinks.kafka import KafkaSink
from penstock.elements.sources.hopskotch import HopskotchSource
from penstock.elements.sources.kafka import KafkaSource
from penstock.errors import MissingExtraError

URL = "kafka://h:1/t"
FACTS = RunFacts(pipeline="p", run="r")


def test_without_the_library_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    said = r'^confluent_kafka is not installed; pip install "penstock\[kafka\]" brings it$'
    with pytest.raises(MissingExtraError, match=said):
        aiter(KafkaSource("h:1", "t"))
    with pytest.raises(MissingExtraError, match=said):
        KafkaSink("h:1", "t").open(FACTS)


@pytest.mark.parametrize("auth", [True, False])
def test_without_hop_client_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch, auth: bool) -> None:
    monkeypatch.setitem(sys.modules, "hop", None)
    said = r'^hop is not installed; pip install "penstock\[hop\]" brings it$'
    with pytest.raises(MissingExtraError, match=said):
        aiter(HopskotchSource(URL, auth=auth))
    with pytest.raises(MissingExtraError, match=said):
        HopskotchSink(URL, auth=auth).open(FACTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"until": "now"}, "until is 'now'; write end"),
        ({"gives": "all"}, "gives is 'all'; write value, or message"),
        ({"start": "now"}, "start is 'now'; write earliest"),
    ],
)
def test_a_wrong_argument_is_refused(arguments: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KafkaSource("h:1", "t", **arguments)
    with pytest.raises(ValueError, match=said):
        HopskotchSource(URL, **arguments)


def test_an_address_of_hopskotch() -> None:
    address = HopAddress.parse("kafka://ada%2D1@kafka.scimma.org:9092/a,b")
    assert (address.broker, address.topics, address.user) == ("kafka.scimma.org:9092", ("a", "b"), "ada-1")
    assert HopAddress.parse("kafka://[::1]:9092/t").broker == "[::1]:9092"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kafka://ada:secret@h/t", "holds no password; `hop auth add`"),
        ("http://h/t", "is no address of Hopskotch"),
        ("kafka:///t", "is no address of Hopskotch"),
        ("kafka://a,b/t", "is no address of Hopskotch"),
        ("kafka://h:x/t", "is no address"),
        ("kafka://h/", "topic must be given"),
        ("kafka://h/a b", "no topic can be called"),
    ],
)
def test_what_is_no_address_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HopskotchSource(url)
    with pytest.raises(ValueError, match=said):
        HopskotchSink(url)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - what matters is what it does not say
        HopskotchSource("kafka://ada:secret@h/t")
    assert "secret" not in str(raised.value)


def test_a_sink_of_hopskotch_has_one_topic() -> None:
    with pytest.raises(ValueError, match="write one"):
        HopskotchSink("kafka://h/a,b")
