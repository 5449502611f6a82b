"""What another process is to make of an element: by name and by value, nothing that lives in this process."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from penstock.errors import CheckError, Problem, ResultTypeError
from penstock.pipeline.plan import Element
from penstock.pipeline.reference import reference_of
from penstock.services.orders import ElementOrder
from penstock.wire.values import encode_value

__all__ = ["element_order", "encoded", "plain"]


def element_order(element: Element, folder: str) -> ElementOrder:
    """Return what another process is to make of an element.

    Raises
    ------
    CheckError
        If it cannot be had there.
    """
    return ElementOrder(
        name=element.name,
        reference=reference_of(element, Path(folder)),
        arguments=encoded(dict(element.arguments), element.where or element.name),
    )


def plain(value: Any) -> Any:  # what users wrote
    """Return a value as it would be written in a file, for code that validates it again elsewhere."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, PurePath) else value


def encoded(values: Any, where: str) -> bytes:
    """Return values on their way to another process.

    Raises
    ------
    CheckError
        If they cannot travel.
    """
    try:
        return encode_value(values)
    except ResultTypeError as error:
        remedy = "give it numbers, text, arrays or containers of them, or run inline"
        raise CheckError(
            [Problem(where=where, text=f"an argument cannot travel to another process: {error}", remedy=remedy)]
        ) from error
