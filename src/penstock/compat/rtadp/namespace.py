"""The names that users' modules import from rta-dp, such as ``from Supervisor import Supervisor``: ours, by a finder.

They are served in processes that read a configuration of rta-dp or make users' classes, and in no other. A program that
is started by itself finds the same modules with their folder on ``PYTHONPATH``.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["MODULES", "serve_rtadp"]

MODULES: Final = Path(__file__).parent / "modules"
"""The folder in which each of them is a file."""
_NAMES: Final = frozenset(path.stem for path in MODULES.glob("*.py"))


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname not in _NAMES:
            return None
        return spec_from_file_location(fullname, MODULES / f"{fullname}.py")


_finder: Final = _Finder()


def serve_rtadp() -> None:
    """Let the names be found from now on in this process; rta-dp's own modules beside users' files are passed over."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
