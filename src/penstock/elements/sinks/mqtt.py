"""Items to an MQTT broker."""

import threading
import time
from collections import deque
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Final, Literal

from penstock.elements.losses import Losses
from penstock.elements.mqtt_connection import MqttConnection, check_broker
from penstock.elements.plain_item import json_of
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.text_template import TextTemplate
from penstock.errors import ResultTypeError, SinkError
from penstock.extra import extra
from penstock.wire.item_encodings import writer

with extra("run"):
    from annotated_types import Ge, Le

__all__ = ["MqttSink"]

_AHEAD: Final = 200
"""Items that the broker has not acknowledged yet."""
_LOOK_S: Final = 0.1
"""How often somebody who waits looks whether the run ends."""
_AGAIN_S: Final = 0.01
"""Until an item is tried again that met a connection which had just gone."""


class MqttSink(Sink):
    """Publish each item on a topic of an MQTT broker; while the broker is away, the pipeline waits.

    In a pipeline::

        sinks:
          plant: {use: mqtt, from: rates, host: broker.example, topic: "beamline/{name}", retain: true}

    >>> from penstock.elements.sink import RunFacts
    >>> sink = MqttSink("127.0.0.1", "beamline/{name}", port=9, connect_s=0.1)
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    Traceback (most recent call last):
    ...
    penstock.errors.SinkError: mqtt://127.0.0.1:9 was not reached within 0.1 s; see whether the broker is on, or give it
    longer with connect_s

    Parameters
    ----------
    host
        Of the broker.
    topic
        With ``{field}`` for a field of the item.
    port
        0: 1883, or 8883 with ``tls``.
    encoding
        ``json``, ``text`` or ``bytes``.
    qos
        0: sent once, and nobody asks what became of it; 1: sent until the broker acknowledges it; 2: and it comes once.
    retain
        Whether the broker keeps the last item of each topic, for those who come later.
    tls
        Whether the connection is encrypted.
    user, password_env
        Whom the broker knows, and the variable of the environment that holds the password.
    client_id
        By which the broker knows this sink.
    connect_s
        How long it may take at the start until the broker is reached.
    linger_s
        How long it may take at the end until all is acknowledged.

    Raises
    ------
    ValueError
        If there can be no such broker, or a number is out of bounds.
    """

    may_wait: ClassVar[bool] = True

    def __init__(
        self,
        host: str,
        topic: str,
        port: int = 0,
        encoding: Literal["json", "text", "bytes"] = "json",
        qos: Annotated[int, Ge(0), Le(2)] = 1,
        retain: bool = False,
        tls: bool = False,
        user: str = "",
        password_env: str = "",
        client_id: str = "",
        connect_s: Annotated[float, Ge(0)] = 10.0,
        linger_s: Annotated[float, Ge(0)] = 2.0,
    ) -> None:
        check_broker(host, port, user, password_env)
        if not topic or "#" in topic or "+" in topic:
            raise ValueError(
                f'"{topic}" is no topic to publish on; write one such as beamline/{{name}}, without # and +'
            )
        if qos not in (0, 1, 2):
            raise ValueError(f"qos is {qos}; it must be 0, 1 or 2")
        if encoding not in ("json", "text", "bytes"):
            raise ValueError(f'encoding is {encoding!r}; it must be "json", "text" or "bytes"')
        if connect_s < 0 or linger_s < 0:
            raise ValueError(f"connect_s is {connect_s}, linger_s {linger_s}; they must be 0 or more")
        self._topic = TextTemplate(topic)
        self._encode = json_of if encoding == "json" else writer(encoding)
        self._qos, self._retain = qos, retain
        self._connect_s, self._linger_s = connect_s, linger_s
        self._connection = MqttConnection(
            host, port, tls=tls, user=user, password_env=password_env, client_id=client_id, error=SinkError
        )
        self.losses = Losses(f"mqtt {self._connection.address}")
        """What the broker did not acknowledge."""
        self._waiting: deque[Any] = deque()  # of the library's MQTTMessageInfo
        self._until: float | None = None
        self._using = threading.Lock()

    def open(self, run: RunFacts) -> None:  # noqa: ARG002 - it says nothing of the run
        """Connect.

        Raises
        ------
        SinkError
            If the broker is not reached in time, or refuses.
        MissingExtraError
            If paho-mqtt is not installed.
        """
        self._connection.open()
        try:
            if not self._connection.wait(self._connect_s):
                raise SinkError(
                    f"{self._connection.address} was not reached within {self._connect_s:g} s; "
                    "see whether the broker is on, or give it longer with connect_s"
                )
        except SinkError:
            self._connection.close()
            raise

    def write(self, item: Any) -> None:  # an item of any kind
        """Publish, as soon as not too much is on its way.

        Raises
        ------
        SinkError
            If the item cannot be written so, or the broker refuses.
        """
        try:
            topic, payload = self._topic.fill(item), self._encode(item)
        except (ResultTypeError, LookupError, ValueError) as error:
            raise SinkError(f"{self._connection.address}: an item cannot be sent: {error}") from error
        if not topic or "#" in topic or "+" in topic or "\0" in topic:
            raise SinkError(f'{self._connection.address}: "{topic}" is no topic to publish on')
        with self._using:
            self._publish(topic, payload)

    def _publish(self, topic: str, payload: bytes) -> None:
        while self._wait_for_room():
            sent = self._connection.client.publish(topic, payload, self._qos, self._retain)
            if sent.rc:  # the connection has gone just now
                if not self._qos:  # and the library has kept nothing of it
                    time.sleep(_AGAIN_S)
                    continue
                # Else it is kept, and sent when the broker is back; but the library would call it failed for ever.
                sent.rc = 0
            self._waiting.append(sent)
            return
        self.losses.add("the broker did not take it before the end")

    def _wait_for_room(self) -> bool:
        """Wait until one more may be on its way; return false if the run ends before."""
        self._forget_done()
        while len(self._waiting) >= _AHEAD or not self._connection.wait(0):
            if not self._left_s:
                return False
            if self._connection.wait(min(_LOOK_S, self._left_s)) and self._waiting:
                self._wait_for_first()
            self._forget_done()
        return True

    def hasten(self) -> None:
        """Wait for ``linger_s`` from now on, and no longer."""
        if self._until is None:
            self._until = time.monotonic() + self._linger_s

    def is_written(self) -> bool:
        """Return whether the broker has acknowledged all, as far as `qos` lets it."""
        return all(_is_over(sent) for sent in list(self._waiting))

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - the broker is told of items only
        """Wait until all is acknowledged, for ``linger_s`` at most.

        Raises
        ------
        SinkError
            If it was not; the text says how much.
        """
        self.hasten()
        with self._using:  # a write that waits comes back now that it is hastened
            while self._waiting and self._left_s:
                self._wait_for_first()
                self._forget_done()
            self._connection.close()
        if self._waiting:
            self.losses.add("the broker did not acknowledge it before the end", len(self._waiting))
        if self.losses.total:
            raise SinkError(
                f"{self._connection.address}: {self.losses.total} items were not acknowledged within "
                f"{self._linger_s:g} s after the run"
            )

    @property
    def _left_s(self) -> float:
        return float("inf") if self._until is None else max(0.0, self._until - time.monotonic())

    def _wait_for_first(self) -> None:
        with suppress(RuntimeError):  # it is lost: this is counted where it is forgotten
            self._waiting[0].wait_for_publish(min(_LOOK_S, self._left_s))

    def _forget_done(self) -> None:
        while self._waiting:
            try:
                if not self._waiting[0].is_published():
                    return
            except RuntimeError:  # with qos 0 nobody sends it again
                self.losses.add("the connection was lost before it was sent")
            self._waiting.popleft()


def _is_over(sent: Any) -> bool:  # an MQTTMessageInfo
    try:
        return bool(sent.is_published())
    except RuntimeError:
        return True
