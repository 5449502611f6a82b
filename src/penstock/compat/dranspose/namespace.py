"""The name ``dranspose`` for users' modules that import it: ours, by a finder.

It is served in processes that read or make users' classes of dranspose, and in no other. There it goes before a
dranspose that is installed, whose classes our engines would not know.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["serve_dranspose"]

_ROOT: Final = "dranspose"
_SERVED: Final = "penstock.compat.dranspose.served"
_FOLDER: Final = Path(__file__).parent / "served"


class _Dranspose(MetaPathFinder, Loader):
    """Finds ``dranspose`` and the modules of it that are here."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module comes from, or ``None`` if it is none of ours."""
        del path, target
        if fullname.partition(".")[0] != _ROOT:
            return None
        place = _FOLDER.joinpath(*fullname.split(".")[1:])
        is_package = place.is_dir()
        if not is_package and not place.with_suffix(".py").is_file():
            return None
        return ModuleSpec(fullname, self, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> None:
        """Let an empty module be made."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module with what is public in ours."""
        ours = importlib.import_module(_SERVED + module.__name__.removeprefix(_ROOT))
        module.__doc__ = ours.__doc__
        module.__dict__.update({name: getattr(ours, name) for name in getattr(ours, "__all__", ())})


_finder: Final = _Dranspose()


def serve_dranspose() -> None:
    """Let ``import dranspose`` find ours from now on in this process."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
