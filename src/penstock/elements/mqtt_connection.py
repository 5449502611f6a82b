"""A connection to an MQTT broker: kept up by the library's own thread, and what goes wrong with it in words.

It neither publishes nor subscribes.
"""

import ssl
import threading
from collections.abc import Callable
from typing import Any, Final

from penstock.elements.http_post import secret
from penstock.errors import PenstockError
from penstock.extra import extra

__all__ = ["MqttConnection", "check_broker"]

PORT: Final = 1883
TLS_PORT: Final = 8883
_FIRST_PAUSE_S: Final = 1
_LONGEST_PAUSE_S: Final = 30


def check_broker(host: str, port: int, user: str, password_env: str) -> None:
    """Make sure that what is said of a broker makes sense.

    Raises
    ------
    ValueError
        If it does not.
    """
    if not host or "/" in host:
        raise ValueError(f'"{host}" is no name of a broker; write host: broker.example, and port: 1883')
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port}; it must be a number from 0 to 65535")
    if bool(user) != bool(password_env):
        raise ValueError("user and password_env belong together; give both, or none")


class MqttConnection:
    """One client of a broker.

    Parameters
    ----------
    host, port
        Of the broker; port 0 is 1883, or 8883 with TLS.
    tls
        Whether it is encrypted.
    user, password_env
        Whom the broker knows, and the variable of the environment that holds the password.
    client_id
        By which the broker knows this client when it comes again; empty: it never does.
    error
        What is raised if something is wrong.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool,
        user: str,
        password_env: str,
        client_id: str,
        error: type[PenstockError],
    ) -> None:
        self.host, self.port = host, port or (TLS_PORT if tls else PORT)
        self.address = f"mqtt{'s' if tls else ''}://{host}:{self.port}"
        self._tls, self._user, self._password_env, self._client_id = tls, user, password_env, client_id
        self._error = error
        self._state = threading.Condition()
        self._is_up = False
        self._refusal = ""
        self.client: Any = None  # paho.mqtt.client.Client, which only this extra has

    def open(self, *, on_up: Callable[[], None] | None = None, on_message: Any = None) -> None:
        """Begin to connect; this does not wait.

        Parameters
        ----------
        on_up
            Called whenever the connection is made, also again.
        on_message
            As the library calls it; then messages are acknowledged by hand.

        Raises
        ------
        SinkError or SourceError
            If the password is not there, or the name of the broker cannot be one.
        MissingExtraError
            If paho-mqtt is not installed.
        """
        with extra("mqtt"):
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        password = secret(self._password_env, "the password") if self._password_env else None

        def connected(_client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
            if not code.is_failure and on_up is not None:
                on_up()
            self._note(is_up=not code.is_failure, refusal=str(code) if code.is_failure else "")

        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=not self._client_id,
            manual_ack=on_message is not None,
        )
        self.client.on_connect = connected
        self.client.on_disconnect = lambda *_: self._note(is_up=False, refusal=self._refusal)
        self.client.on_message = on_message
        self.client.reconnect_delay_set(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        if self._user:
            self.client.username_pw_set(self._user, password)
        if self._tls:
            self.client.tls_set_context(ssl.create_default_context())
        try:
            self.client.connect_async(self.host, self.port)
        except ValueError as trouble:
            raise self._error(f"{self.address}: {trouble}") from trouble
        self.client.loop_start()

    @property
    def is_up(self) -> bool:
        """Whether the broker is there now."""
        return self._is_up

    def wait(self, timeout_s: float) -> bool:
        """Wait until the broker is there; return false if it was not in time.

        Raises
        ------
        SinkError or SourceError
            If the broker refuses this client.
        """
        with self._state:
            self._state.wait_for(lambda: self._is_up or bool(self._refusal), timeout_s)
            if self._refusal:
                raise self._error(f"{self.address} refuses this client: {self._refusal}")
            return self._is_up

    def refuse(self, why: str) -> None:
        """Note that the broker does not give what is asked for."""
        self._note(is_up=self._is_up, refusal=why)

    def close(self) -> None:
        """Take leave, and end the thread."""
        client, self.client = self.client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _note(self, *, is_up: bool, refusal: str) -> None:
        with self._state:
            self._is_up, self._refusal = is_up, refusal
            self._state.notify_all()
