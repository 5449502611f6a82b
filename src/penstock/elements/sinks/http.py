"""Items to a web service."""

from typing import Annotated, Any, ClassVar, Literal

from penstock.elements.http_post import HttpPost, secret, shown_url
from penstock.elements.patience import Patience
from penstock.elements.plain_item import json_of
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import ResultTypeError, SinkError
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["HttpSink"]


class HttpSink(Sink):
    """Post each item as JSON, and wait until it is taken; if the service cannot be reached, try again.

    In a pipeline::

        sinks:
          catalogue: {use: http, from: alerts, url: "https://catalogue.example/alerts", token_env: CATALOGUE_TOKEN}

    Items arrive in order. Where an answer is lost on its way, an item comes twice, with the same ``Idempotency-Key``.

    >>> from penstock.elements.sink import RunFacts
    >>> sink = HttpSink("http://127.0.0.1:9/alerts", tries=1)
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> sink.write({"energy_keV": 6.4})
    Traceback (most recent call last):
    ...
    penstock.errors.SinkError: http://127.0.0.1:9/alerts: not taken: ConnectError: [Errno 111] Connection refused
    >>> sink.close(ended_well=False)

    Parameters
    ----------
    url
        Where to.
    method
        ``POST`` or ``PUT``.
    headers
        By name, sent with each item.
    token_env
        Variable of the environment that holds the token of ``Authorization: Bearer``.
    secret_headers
        By name, variables of the environment that hold what is sent.
    timeout_s
        How long one attempt may take.
    tries
        How often it is attempted, with pauses of 0.5 s, 1 s, 2 s, up to 30 s, or as long as the service asks for.
    linger_s
        How long, when the run ends, pauses may still last.

    Raises
    ------
    ValueError
        If the address cannot be one, or a number is out of bounds.
    """

    may_wait: ClassVar[bool] = True

    def __init__(
        self,
        url: str,
        method: Literal["POST", "PUT"] = "POST",
        headers: dict[str, str] | None = None,
        token_env: str = "",
        secret_headers: dict[str, str] | None = None,
        timeout_s: Annotated[float, Gt(0)] = 10.0,
        tries: Annotated[int, Ge(1)] = 8,
        linger_s: Annotated[float, Ge(0)] = 5.0,
    ) -> None:
        shown_url(url)
        if method not in ("POST", "PUT"):
            raise ValueError(f"method is {method!r}; it must be POST or PUT")
        if timeout_s <= 0:
            raise ValueError(f"timeout_s is {timeout_s}; it must be above 0")
        self._url, self._method, self._timeout_s = url, method, timeout_s
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._secrets = dict(secret_headers or {})
        self._token_env = token_env
        self._patience = Patience(tries, linger_s=linger_s)
        self._post: HttpPost | None = None
        self._written = 0
        self._run = ""

    def open(self, run: RunFacts) -> None:
        """Take secrets from the environment; nothing is sent yet.

        Raises
        ------
        SinkError
            If a secret is not there.
        """
        secrets = {name: secret(variable, f"the header {name}") for name, variable in self._secrets.items()}
        if self._token_env:
            secrets["Authorization"] = f"Bearer {secret(self._token_env, 'the token')}"
        self._run = f"{run.run}/{run.sink}".replace('"', "")
        self._post = HttpPost(
            self._url,
            method=self._method,
            headers={**self._headers, **secrets},
            timeout_s=self._timeout_s,
            patience=self._patience,
        )

    def write(self, item: Any) -> None:  # an item of any kind
        """Send the item; return when it is taken.

        Raises
        ------
        SinkError
            If it is refused, or the service cannot be reached for too long.
        """
        if self._post is None:
            return
        try:
            body = json_of(item)
        except ResultTypeError as error:
            raise SinkError(f"{self._post.shown}: an item cannot be sent: {error}") from error
        self._written += 1
        key = f'"{self._run}/{self._written}"'.encode("ascii", "replace").decode()
        self._post.send(body, {"Idempotency-Key": key})

    def hasten(self) -> None:
        """Pause for ``linger_s`` from now on, and no longer."""
        self._patience.hasten()

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - the service is told of items only
        """Close the connection."""
        self._patience.hasten()  # if a write still waits
        post, self._post = self._post, None
        if post is not None:
            post.close()
