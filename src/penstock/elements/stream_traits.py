"""What is known of the instrument behind a durable stream: kept in the stream's metadata by whoever recorded it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.core.decoder import Traits
from penstock.core.stream_address import StreamAddress
from penstock.streams.store import Store

__all__ = ["read_traits", "traits_as_metadata"]

UNKNOWN = Traits(has_start=False, has_end=False)


def traits_as_metadata(traits: Traits) -> Mapping[str, Any]:
    """Return what is said of an instrument as JSON has it."""
    return {"traits": msgspec.to_builtins(traits)}


def read_traits(store: Store, address: StreamAddress) -> Traits:
    """Return what was said of the instrument behind a stream; of any other stream, that nothing is known."""
    said = store.metadata(address) or {}
    try:
        return msgspec.convert(said["traits"], Traits)
    except (KeyError, msgspec.ValidationError):
        return UNKNOWN
