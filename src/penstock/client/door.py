"""The door of a running pipeline, as a client comes to it: HTTP asked once or twice, and refusals as our errors."""

import weakref
from collections.abc import Mapping
from typing import Any

import httpx

from penstock.errors import PenstockError, SelectionError, ServiceError, StateError

__all__ = ["ERRORS", "Door", "NotFoundError", "detail_of"]

KEPT_ALIVE_S = 2.0
"""How long a connection is used again: less than the 5 s after which the server closes it, for one that is just being
closed takes no command, and nobody knows whether it did."""


class NotFoundError(ServiceError):
    """Nothing has this name."""


ERRORS: Mapping[int, type[PenstockError]] = {
    404: NotFoundError,
    409: StateError,
    413: SelectionError,
    422: SelectionError,
}
"""By status of the answer; of any other one it is ``ServiceError``."""


class Door:
    """Where a pipeline answers. It opens nothing until it is asked.

    Parameters
    ----------
    address
        With ``http://``.
    token
        Empty: none.
    timeout_s
        How long an answer may take, in s.
    """

    def __init__(self, address: str, token: str, timeout_s: float) -> None:
        self.address = address.rstrip("/")
        self.token = token
        self.timeout_s = timeout_s
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=f"{self.address}/api/v1/", headers=headers, timeout=timeout_s,
            limits=httpx.Limits(keepalive_expiry=KEPT_ALIVE_S),
        )  # fmt: skip
        weakref.finalize(self, self._http.close).atexit = False

    def json(self, method: str, path: str, body: Any = None) -> Any:  # what JSON can hold
        """Return the content of an answer; raises as ``answer``."""
        return self.answer(method, path, json=body).json()

    def answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return what is answered.

        Raises
        ------
        PenstockError
            If it is a refusal: one of `ERRORS`, with the pipeline's reason.
        ServiceError
            If nobody answers.
        """
        answer = self.sent(method, path, again=method == "GET", **options)
        if answer.is_success:
            return answer
        raise ERRORS.get(answer.status_code, ServiceError)(detail_of(answer))

    def sent(self, method: str, path: str, *, again: bool, **options: Any) -> httpx.Response:
        """Return what is answered, be it a refusal; ``again`` says that it does no harm to ask twice.

        Raises
        ------
        ServiceError
            If nobody answers.
        """
        given = {name: value for name, value in options.items() if value is not None}
        try:
            try:
                return self._http.request(method, path, **given)
            except httpx.TransportError:
                if not again:  # whether it was done is not known
                    raise
                return self._http.request(method, path, **given)  # who served may have been replaced in between
        except httpx.HTTPError as error:
            raise ServiceError(
                f"nobody answers at {self.address} ({str(error) or type(error).__name__}); "
                "is the pipeline running, and is this the address it printed?"
            ) from error

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


def detail_of(answer: httpx.Response) -> str:
    """Return the reason that a refusal gives."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"
    return detail if isinstance(detail, str) else "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in detail)
