"""Significance series of snap-combine on their way between processes: their arrays, and whose they are."""

import importlib
import sys
from typing import Any

from penstock.core.values import register

__all__ = ["are_taught", "import_blocks", "teach_blocks"]

_MODULE = "snap.datablock"


def teach_blocks() -> None:
    """Let ``snap.datablock.DataBlock`` travel, if an element that is in use has imported it."""
    module: Any = sys.modules.get(_MODULE)  # of a package that is not ours
    kind = getattr(module, "DataBlock", None)
    if isinstance(kind, type):
        register(kind, _told, lambda told: kind(told["ts"], told["zs"], told["id"]))


def are_taught() -> bool:
    """Whether an element that is in use has imported the module of ``DataBlock``."""
    return _MODULE in sys.modules


def import_blocks() -> None:
    """Let ``DataBlock`` travel to and from a process in which nobody has imported it yet."""
    importlib.import_module(_MODULE)
    teach_blocks()


def _told(block: Any) -> dict[str, Any]:
    return {"ts": block.ts, "zs": block.zs, "id": block.id}
