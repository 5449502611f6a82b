"""What a user's ``checkpoint`` returned, as bytes and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.values import check_value
from penstock.wire.values import decode_value, encode_value

__all__ = ["checkpoint_bytes", "checkpoint_from"]


def checkpoint_bytes(state: Any) -> bytes:  # from user code
    """Write a value of the closed list.

    Raises
    ------
    ResultTypeError
        If it is not on the list; the text names the place inside.
    """
    check_value(state, "checkpoint")
    arrays: list[NDArray[Any]] = []

    def place(array: NDArray[Any]) -> int:
        arrays.append(array)
        return len(arrays) - 1

    return encode_value([encode_value(state, place), arrays])


def checkpoint_from(data: bytes) -> Any:
    """Read it; arrays are copies that user code may go on writing to.

    Raises
    ------
    RemoteProtocolError
        If the bytes are anything else.
    """
    inner, arrays = decode_value(data)

    def fetch(dtype: np.dtype[Any], shape: tuple[int, ...], place: int) -> NDArray[Any]:  # noqa: ARG001 - it knows both
        return np.array(arrays[place])

    return decode_value(inner, fetch=fetch)
