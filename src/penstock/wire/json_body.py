"""JSON objects in the body of a frame; not MessagePack, because integers may be of any size."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import RemoteProtocolError

__all__ = ["json_bytes", "json_object"]


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Write an object that JSON can hold."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def json_object(body: NDArray[np.uint8], where: str) -> dict[str, Any]:
    """Read an object.

    Raises
    ------
    RemoteProtocolError
        If it is anything else.
    """
    try:
        value = json.loads(body.tobytes())
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"{where}: {len(body)} bytes are no JSON: {error}") from error
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"{where}: JSON of a {type(value).__name__}, and no object")
    return value
