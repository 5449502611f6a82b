"""What readers and writers of Kafka have in common: their settings, and the wait for brokers and topics.

It moves no message. Passwords come from a file, never from the pipeline, which is shown, kept and sent around.
"""

import logging
import re
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Protocol

from penstock.core.suggest import did_you_mean
from penstock.errors import PenstockError
from penstock.extra import extra

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

__all__ = [
    "LOG",
    "Brokers",
    "checked_settings",
    "client_of",
    "names_of",
    "one_topic",
    "require_library",
    "settings_in",
    "text_of",
]

LOG: Final = logging.getLogger("penstock.kafka")
_SECRET: Final = re.compile(r"password|secret|passphrase|private\.key|ssl\.key\.pem|oauthbearer\.config")
_TRY_S: Final = 1.0
_PAUSE_S: Final = 0.1
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_OWN: Final = ("bootstrap.servers", "group.id", "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset")
"""Settings that arguments of the elements stand for, or on which their promises depend."""


class _Client(Protocol):
    """A producer or a consumer."""

    def poll(self, timeout: float = ...) -> Any: ...

    def list_topics(self, topic: str | None = ..., timeout: float = ...) -> Any: ...


class Brokers:
    """Some brokers as one client sees them; give it to the client as its ``error_cb``.

    Parameters
    ----------
    address
        For texts.
    kind
        What is raised if they do not answer.
    within_s
        How long they and the topics may take, in s.
    """

    def __init__(self, address: str, kind: type[PenstockError], within_s: float) -> None:
        self.address = address
        self.kind = kind
        self._within_s = within_s
        self._trouble = ""
        self._is_away = False

    def __call__(self, error: "KafkaError") -> None:
        """Note what the library says of the brokers; it goes on trying by itself."""
        if error.name() != "_ALL_BROKERS_DOWN":
            self._trouble = error.str()
        elif not self._is_away:
            self._is_away = True
            LOG.warning("Kafka at %s: no broker can be reached; waiting. %s", self.address, self._trouble)

    def answered(self) -> None:
        """Note that one has answered."""
        if self._is_away:
            self._is_away = False
            LOG.warning("Kafka at %s: reached again", self.address)

    def partitions(self, client: _Client, topics: Sequence[str], stopped: Event | None = None) -> dict[str, list[int]]:
        """Wait until the brokers have the topics; return the numbers of their partitions.

        Raises
        ------
        PenstockError
            Of ``kind``: nobody answers, or a topic is not there.
        """
        from confluent_kafka import KafkaException

        until = time.monotonic() + self._within_s
        while True:
            client.poll(0)  # a library that was never asked for news does not authenticate
            left_s = max(until - time.monotonic(), _PAUSE_S)
            try:
                found, problem = self._looked_up(client, topics, min(left_s, _TRY_S))
            except KafkaException as error:
                client.poll(0)
                reason = self._trouble or text_of(error)
                found, problem = {}, f"no broker answers: {reason}; write brokers: HOST:PORT of one that does"
            if not problem:
                self.answered()
                return found
            if time.monotonic() >= until:
                raise self.kind(f"Kafka at {self.address}: {problem}")
            if stopped is not None and stopped.wait(_PAUSE_S):
                return {}

    @staticmethod
    def _looked_up(client: _Client, topics: Sequence[str], timeout_s: float) -> tuple[dict[str, list[int]], str]:
        found = {}
        for topic in topics:
            said = client.list_topics(topic, timeout=timeout_s).topics[topic]
            if said.error is not None or not said.partitions:
                reason = said.error.str() if said.error is not None else "it has no partitions"
                there = sorted(name for name in client.list_topics(timeout=timeout_s).topics if name != topic)
                names = ", ".join(there[:20]) or "none"
                remedy = did_you_mean(topic, there, otherwise=f"there are {names}")
                return {}, f'topic "{topic}": {reason}; {remedy}'
            found[topic] = sorted(said.partitions)
        return found, ""


def names_of(given: str | Sequence[str], what: str) -> list[str]:
    """Return names of topics, or addresses of brokers, that were written as one text or as a list.

    Raises
    ------
    ValueError
        If there are none, or a topic cannot be called so.
    """
    names = [each.strip() for one in ([given] if isinstance(given, str) else given) for each in str(one).split(",")]
    if not names or not all(names):
        raise ValueError(f"{what} must be given; write {what}: NAME, or a list of them")
    for name in names:
        if what.startswith("topic") and not _TOPIC.fullmatch(name):
            raise ValueError(f'no topic can be called "{name}"; it is made of letters, digits, ".", "_" and "-"')
        if what == "brokers" and "/" in name:
            raise ValueError(f'"{name}" is no address of a broker; write HOST:PORT')
    return names


def one_topic(given: str) -> str:
    """Return the name of a topic that was written.

    Raises
    ------
    ValueError
        If it is none, or several.
    """
    names = names_of(given, "topic")
    if len(names) > 1:
        raise ValueError(f"topic is {given!r}; write the name of one")
    return names[0]


def checked_settings(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return settings of librdkafka as they were written in a pipeline.

    Raises
    ------
    ValueError
        If one is a secret, or is said by an argument.
    """
    found = dict(settings or {})
    for name in found:
        if _SECRET.search(name):
            raise ValueError(f"settings: {name} is a secret; write it into a file, and name that as settings_file")
        if name in _OWN:
            raise ValueError(f"settings: {name} cannot be set here; the arguments of the element say it")
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in found.items()}


def settings_in(path: str, kind: type[PenstockError]) -> dict[str, str]:
    """Return the settings of a file that has a line ``name=value`` for each, as Kafka's own tools have them.

    Raises
    ------
    PenstockError
        Of ``kind``: it cannot be read, others may read its secrets, or a line is none.
    """
    file = Path(path).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        mode = stat.S_IMODE(file.stat().st_mode)
    except (OSError, ValueError) as error:
        raise kind(f"settings_file {file}: {getattr(error, 'strerror', None) or error}") from error
    found = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        name, is_set, value = line.partition("=")
        if not is_set or not name.strip():
            raise kind(f"settings_file {file}, line {number}: no setting; write name=value")
        found[name.strip()] = value.strip()
    if mode & 0o077 and any(map(_SECRET.search, found)):
        raise kind(f"settings_file {file} has a secret that others can read; chmod 600 {file}")
    return found


def text_of(error: Exception) -> str:
    """Return what an exception of the library says, for people."""
    said = error.args[0] if error.args else error
    return str(said.str()) if hasattr(said, "str") else str(said)


def client_of(make: Any, brokers: Brokers, settings: Mapping[str, Any]) -> Any:  # a class of the library
    """Make a producer or a consumer.

    Raises
    ------
    PenstockError
        Of the brokers' kind: a setting is unknown or wrong.
    """
    from confluent_kafka import KafkaException

    # The library would write its own log on standard error; what matters in it comes by `error_cb`.
    whole = {"log_level": 2, **settings, "bootstrap.servers": brokers.address, "error_cb": brokers}
    try:
        return make(whole)
    except (KafkaException, ValueError, TypeError) as error:
        raise brokers.kind(f"Kafka at {brokers.address}: {text_of(error)}; see settings") from error


def require_library() -> None:
    """Make sure that the library is there.

    Raises
    ------
    MissingExtraError
        If not.
    """
    with extra("kafka"):
        import confluent_kafka  # noqa: F401
