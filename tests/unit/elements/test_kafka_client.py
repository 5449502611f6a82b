"""Settings of Kafka as they are written, and the passwords that are not."""

from pathlib import Path
from typing import Any

import pytest

from penstock.elements.kafka_client import checked_settings, names_of, one_topic, settings_in
from penstock.elements.kafka_reader import start_of
from penstock.errors import SourceError


def test_names_are_a_text_or_a_list() -> None:
    assert names_of("a, b", "topics") == names_of(["a", "b"], "topics") == ["a", "b"]
    assert names_of("h:1,[::1]:2", "brokers") == ["h:1", "[::1]:2"]
    assert one_topic("a.b-c_d") == "a.b-c_d"


@pytest.mark.parametrize(
    ("given", "what", "said"),
    [
        ("", "topics", "topics must be given"),
        ([], "brokers", "brokers must be given"),
        (["a", ""], "topics", "topics must be given"),
        ("a b", "topics", 'no topic can be called "a b"'),
        ("kafka://h:1/t", "brokers", "write HOST:PORT"),
    ],
)
def test_names_that_cannot_be_are_refused(given: Any, what: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        names_of(given, what)


def test_a_sink_has_one_topic() -> None:
    with pytest.raises(ValueError, match="write the name of one"):
        one_topic("a,b")


@pytest.mark.parametrize(
    "name",
    ["sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"],
)
def test_a_secret_stands_in_no_pipeline(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is a secret; write it into a file, and name that as settings_file"):
        checked_settings({name: "x"})


def test_what_an_argument_says_is_no_setting() -> None:
    with pytest.raises(ValueError, match=r"auto.offset.reset cannot be set here"):
        checked_settings({"auto.offset.reset": "earliest"})
    assert checked_settings({"linger.ms": 5, "enable.idempotence": False}) == {
        "linger.ms": 5,
        "enable.idempotence": "false",
    }


def test_a_file_of_settings_is_read(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("# ours\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b \n")
    file.chmod(0o600)
    assert settings_in(str(file), SourceError) == {"security.protocol": "SASL_SSL", "sasl.password": "a=b"}


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("security.protocol=SASL_SSL\n")
    file.chmod(0o644)
    assert settings_in(str(file), SourceError) == {"security.protocol": "SASL_SSL"}
    file.write_text("sasl.password=x\n")
    with pytest.raises(SourceError, match="others can read; chmod 600 "):
        settings_in(str(file), SourceError)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"settings_file .*/none: No such file"):
        settings_in(str(tmp_path / "none"), SourceError)
    (tmp_path / "bad").write_text("a=1\nb\n")
    with pytest.raises(SourceError, match=r"bad, line 2: no setting; write name=value"):
        settings_in(str(tmp_path / "bad"), SourceError)


@pytest.mark.parametrize("written", ["yesterday", "2026-11-20T12:00:00", "", 5])
def test_a_start_that_is_none_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="write earliest, latest, or a time with its zone"):
        start_of(written)
