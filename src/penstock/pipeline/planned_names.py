"""Names and keys that this version knows and does not have: ``check`` says so, ``run`` refuses them."""

from collections.abc import Mapping
from typing import Final

__all__ = ["PLANNED"]

PLANNED: Final[Mapping[str, Mapping[str, str]]] = {
    "sources": {},
    "steps": {},
    "workers": {},
    "reducers": {},
    "sinks": {},
}
"""Kind → name → what it will be."""
