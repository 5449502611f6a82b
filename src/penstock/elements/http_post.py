"""Requests that carry an item to a web service: tried again where that may help, with secrets from the environment."""

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from penstock.elements.patience import Patience
from penstock.errors import SinkError

__all__ = ["HttpPost", "secret"]

AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed; RFC 9110 and 6585."""
MOST_ASKED_S: Final = 60.0
"""Who asks for a longer pause does not get it."""


class HttpPost:
    """One address that items are sent to.

    Parameters
    ----------
    url
        ``http://`` or ``https://``. What may be secret in it is in no text of an error.
    method
        Such as ``POST``.
    headers
        Sent with each request.
    timeout_s
        How long one attempt may take.
    patience
        How often, and for how long.

    Raises
    ------
    ValueError
        If the address cannot be one.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        patience: Patience,
    ) -> None:
        self.shown = shown_url(url)
        """The address without what may be secret."""
        if timeout_s <= 0:
            raise ValueError(f"timeout_s is {timeout_s}; it must be above 0")
        self._url, self._method = url, method
        self._patience = patience
        self._client = httpx.Client(headers=dict(headers or {}), timeout=timeout_s)

    def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a request until it is taken.

        Raises
        ------
        SinkError
            If it is refused, or the service cannot be reached for longer than there is patience.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._client.request(self._method, self._url, content=body, headers=dict(headers))
            except httpx.TransportError as error:
                why, asked_s, may_help = f"{type(error).__name__}: {error}", 0.0, True
            else:
                if answer.is_success:
                    return
                why, asked_s = _said(answer), _asked_s(answer)
                may_help = answer.status_code in AGAIN
            if not may_help or not self._patience.wait(attempt, asked_s):
                tries = f" after {attempt} attempts" if attempt > 1 else ""
                raise SinkError(f"{self.shown}: not taken{tries}: {why.replace(self._url, self.shown)}")

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def secret(variable: str, what: str) -> str:
    """Return what a variable of the environment holds.

    Raises
    ------
    SinkError
        If it is not set.
    """
    found = os.environ.get(variable, "")
    if not found:
        raise SinkError(f"{what} is taken from the environment, and {variable} is not set; set it before the run")
    return found


def shown_url(url: str) -> str:
    """Return an address without user, path's end and query, in which secrets stand.

    >>> shown_url("https://me:pw@chat.example/hooks/T0/secret?key=1")
    'https://chat.example/hooks/…'

    Raises
    ------
    ValueError
        If it is no address of a web service.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise ValueError(f'"{url}" is no address: {error}; write "https://HOST/PATH"') from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('a url is missing, or is none of a web service; write "https://HOST/PATH"')
    first, _, rest = parts.path.lstrip("/").partition("/")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}/{first}" + ("/…" if rest or parts.query else "")


def _said(answer: httpx.Response) -> str:
    text = " ".join(answer.text.split())
    return f"{answer.status_code} {answer.reason_phrase}" + (f": {text[:200]}" if text else "")


def _asked_s(answer: httpx.Response) -> float:
    text: Any = answer.headers.get("Retry-After", "")
    return min(MOST_ASKED_S, float(text)) if text.isdecimal() else 0.0
