"""The name ``snap`` for users' modules that import it: ours for what SNAP brings, what is installed for the rest.

It is served from when a SNAP file is read, or an object of one is made, in that process only. An installed package such
as snap-combine is found below the name as ever; ours goes before what SNAP's own package has.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final

from penstock.compat.snap.datablock import are_taught
from penstock.compat.snap.names import HERE, OURS

__all__ = ["is_served", "prelude", "serve_snap"]

_ROOT: Final = "snap"
_FACE: Final = {"Parallel": f"{HERE}.parallel", "timing": f"{HERE}.timing"}
"""What stands in ``snap`` itself, and where it is."""


class _Snap(MetaPathFinder, Loader):
    """Finds ``snap`` and the modules of it that are ours."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module comes from, or ``None`` if it is none of ours."""
        del target
        if fullname != _ROOT and fullname not in OURS:
            return None
        installed = PathFinder.find_spec(fullname, path)
        if installed is not None and installed.submodule_search_locations is None and fullname == _ROOT:
            return None  # a file snap.py of the user's own
        is_package = fullname in (_ROOT, f"{_ROOT}.elements")
        spec = ModuleSpec(fullname, self, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = list((installed and installed.submodule_search_locations) or ())
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Let an empty module be made."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module with what is public in ours."""
        if module.__name__ == _ROOT:
            module.__dict__.update({name: _from(name, path) for name, path in _FACE.items()})
            return
        ours = importlib.import_module(OURS[module.__name__])
        module.__doc__ = ours.__doc__
        module.__dict__.update({name: getattr(ours, name) for name in getattr(ours, "__all__", ())})


def _from(name: str, path: str) -> object:
    module = importlib.import_module(path)
    return getattr(module, name, module)


_finder: Final = _Snap()


def serve_snap() -> None:
    """Let ``import snap`` work from now on in this process, unless it has been imported already."""
    if _finder not in sys.meta_path and _ROOT not in sys.modules:
        sys.meta_path.insert(0, _finder)


def prelude() -> tuple[str, ...]:
    """Return what another process calls before it imports users' modules, so that it finds what this one has."""
    serve = f"{HERE}.namespace:serve_snap"
    return (serve, f"{HERE}.datablock:import_blocks") if are_taught() else (serve,)


def is_served() -> bool:
    """Whether somebody has imported ``snap`` from here, and would not find it elsewhere."""
    spec = getattr(sys.modules.get(_ROOT), "__spec__", None)
    return spec is not None and spec.loader is _finder and PathFinder.find_spec(_ROOT) is None
