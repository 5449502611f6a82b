"""Run the tests that failed once more, alone, and say which pass then: ``./dev test`` does so after a whole run.

Many failures, or one that comes again, stay failures; docs/explanations/decisions/0063 says why.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")
"""Where pytest keeps which tests failed, below the root."""
MOST: Final = 3
"""Of so many a busy machine may be the cause; more of them are a defect."""


def main(root: Path = ROOT) -> int:
    """Return the exit code: 0 if every test that failed passes alone."""
    names = failed(root)
    if not 0 < len(names) <= MOST:
        return 1
    print(f"\n./dev test: {len(names)} failed; once more, alone:", flush=True)
    command = [sys.executable, "-m", "pytest", "--last-failed", "--last-failed-no-failures=none", *names]
    if subprocess.run(command, cwd=root, check=False).returncode:
        return 1
    print("./dev test: unsteady: failed among the others, and pass alone. Look for the cause:")
    print(*(f"UNSTEADY {name}" for name in names), sep="\n")
    return 0


def failed(root: Path) -> list[str]:
    """Return the names of the tests that failed in the last run below this folder."""
    try:
        return sorted(json.loads((root / FAILED).read_bytes()))
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
