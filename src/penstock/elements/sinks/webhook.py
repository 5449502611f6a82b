"""Short texts to a chat or a pager."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from penstock.elements.gathered_sending import GatheredSending
from penstock.elements.gathering import Gathered, Gathering
from penstock.elements.http_post import HttpPost, secret, shown_url
from penstock.elements.patience import Patience
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.text_template import TextTemplate
from penstock.errors import SinkError
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["WebhookSink"]


class WebhookSink(Sink):
    """Post a short text for each item; in a storm, the first at once and then what has gathered, once in a while.

    In a pipeline::

        sinks:
          chat: {use: webhook, from: alerts, url_env: CHAT_URL, text: "{detector}: significance {significance:.1f}"}

    >>> from penstock.elements.sink import RunFacts
    >>> sink = WebhookSink("ring current {current:.0f} mA", url="http://127.0.0.1:9/hook", tries=1)
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> sink.write({"current": 12.3})
    >>> sink.close(ended_well=True)
    Traceback (most recent call last):
    ...
    penstock.errors.SinkError: http://127.0.0.1:9/hook: not taken: ConnectError: [Errno 111] Connection refused

    Parameters
    ----------
    text
        With ``{field}`` for a field of the item, ``{field:.2f}`` for it as Python formats it.
    url
        Where to.
    url_env
        Variable of the environment that holds the address, because who knows it can write there.
    key
        Under which the text stands in the JSON that is posted: ``text`` for Mattermost, Slack and Teams, ``content``
        for Discord, ``body`` for Matrix.
    fields
        What else stands in that JSON.
    token_env
        Variable of the environment that holds the token of ``Authorization: Bearer``.
    every_s
        How long it is at least from one message to the next.
    most_lines
        Texts of one message; of others it says how many there were.
    timeout_s, tries
        As of ``http``.

    Raises
    ------
    ValueError
        If there is no address or more than one, the text's braces do not fit, or a number is out of bounds.
    """

    may_wait: ClassVar[bool] = False  # it has a thread of its own

    def __init__(
        self,
        text: str,
        url: str = "",
        url_env: str = "",
        key: str = "text",
        fields: dict[str, Any] | None = None,
        token_env: str = "",
        every_s: Annotated[float, Ge(0)] = 10.0,
        most_lines: Annotated[int, Ge(1)] = 10,
        timeout_s: Annotated[float, Gt(0)] = 10.0,
        tries: Annotated[int, Ge(1)] = 5,
    ) -> None:
        if bool(url) == bool(url_env):
            raise ValueError("either url or url_env must be given; write url_env: CHAT_URL, and set that variable")
        if url:
            shown_url(url)
        if timeout_s <= 0:
            raise ValueError(f"timeout_s is {timeout_s}; it must be above 0")
        self._text = TextTemplate(text)
        self._url, self._url_env, self._token_env = url, url_env, token_env
        self._key, self._fields = key, dict(fields or {})
        self._timeout_s = timeout_s
        self._gathering = Gathering(every_s, most_lines)
        self._patience = Patience(tries)
        self._post: HttpPost | None = None
        self._sending: GatheredSending | None = None

    def open(self, run: RunFacts) -> None:  # noqa: ARG002 - the text says what is to be said
        """Take secrets from the environment; nothing is sent yet.

        Raises
        ------
        SinkError
            If a secret is not there, or holds no address.
        """
        try:
            url = self._url or secret(self._url_env, "the address")
            headers = {"Content-Type": "application/json"}
            if self._token_env:
                headers["Authorization"] = f"Bearer {secret(self._token_env, 'the token')}"
            self._post = HttpPost(url, headers=headers, timeout_s=self._timeout_s, patience=self._patience)
        except ValueError as error:
            raise SinkError(f"{self._url_env}: {error}") from error
        self._sending = GatheredSending(self._gathering, self._send)
        self._sending.start()

    def write(self, item: Any) -> None:  # an item of any kind
        """Say it, now or with others.

        Raises
        ------
        SinkError
            If the item lacks a field, or an earlier text was not taken.
        """
        if self._sending is None:
            return
        try:
            text = self._text.fill(item)
        except (LookupError, ValueError) as error:
            raise SinkError(f"webhook: {error}") from error
        self._sending.add(text)

    def hasten(self) -> None:
        """Pause for 5 s from now on, and no longer."""
        self._patience.hasten()

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - it tells of items only
        """Say what has gathered, and end.

        Raises
        ------
        SinkError
            If something was not taken.
        """
        sending, self._sending = self._sending, None
        self._patience.hasten()
        try:
            if sending is not None:
                sending.close()
        finally:
            post, self._post = self._post, None  # its thread needed it until now
            if post is not None:
                post.close()

    def _send(self, gathered: Gathered) -> None:
        assert self._post is not None
        said: Mapping[str, Any] = {**self._fields, self._key: gathered.lines()}
        self._post.send(json.dumps(said).encode(), {})
