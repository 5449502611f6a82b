"""What the wheel holds beside the Python: the live page, built of ``ui``."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REQUIRED = "PENSTOCK_PAGE"
"""An environment variable: ``required`` lets the build fail without the page, ``none`` leaves the page out."""


class LivePage(BuildHookInterface):
    """Build the page, unless the project is only linked to, as ``./dev setup`` does, which builds it apart."""

    def dependencies(self) -> list[str]:
        """Return what brings npm, if the system has none."""
        builder = _builder(Path(self.root))
        return [] if self._is_left_out() or builder.npm_command() else [builder.WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, and take it into the wheel although git does not know it."""
        if version == "editable" or self.target_name != "wheel":
            return
        if self._is_left_out():
            build_data["force_include"][str(Path(self.root) / "ui/left-out.txt")] = "penstock/web/ui/missing.txt"
            return
        builder = _builder(Path(self.root))
        try:
            builder.build()
        except builder.BuildError as error:
            if os.environ.get(REQUIRED) == "required":
                raise
            print(f"penstock is installed without its live page, and serves a plain one: {error}", file=sys.stderr)
        build_data["artifacts"].append("src/penstock/web/ui")

    def _is_left_out(self) -> bool:
        return self.target_name != "wheel" or os.environ.get(REQUIRED) == "none"


def _builder(root: Path) -> Any:
    found = spec_from_file_location("penstock_page_build", root / "ui/build.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module
