"""``python -m penstock.compat.rtadp``: prints the folder for ``PYTHONPATH``, or runs a program with rta-dp's names."""

import runpy
import sys
from pathlib import Path

from penstock.compat.rtadp.namespace import MODULES, serve_rtadp


def main() -> None:
    """Run the program that is named, with its arguments; without one, say where the modules are."""
    if len(sys.argv) < 2:
        print(MODULES)
        return
    serve_rtadp()
    del sys.argv[0]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
