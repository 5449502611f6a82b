"""Names of process variables."""

import re
from typing import Final

__all__ = ["pv_name"]

_STRANGE: Final = re.compile(r"[^A-Za-z0-9_\-.:;<>\[\]]+")


def pv_name(*parts: str) -> str:
    """Return a name of these parts, a colon between them and for ``/``, and ``_`` for what EPICS cannot have.

    >>> pv_name("VIEW", "image/map/Fe Kα")
    'VIEW:image:map:Fe_K_'
    """
    return ":".join(_STRANGE.sub("_", part.replace("/", ":")) for part in parts)
