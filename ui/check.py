"""Check the live page's sources: types made of the server's OpenAPI document, tsc and eslint.

``python ui/check.py`` does so, unless nothing has changed since all was right; ``--types`` only makes the types,
``--test`` runs the tests of its parts instead. It ends with 1 where something is wrong, and with 3 where this machine
cannot check it.
"""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from build import SOURCES, BuildError, digest_of, get_npm, install, run

__all__ = ["main"]

TYPES = SOURCES / "src/api/schema.d.ts"
DOCUMENT = SOURCES / "node_modules/openapi.json"
"""What the types were made of."""
RIGHT = SOURCES / "node_modules/right.txt"
"""The digest of what was checked last and found right."""
WRONG, CANNOT = 1, 3


def make_types(npm: Sequence[str]) -> None:
    """Make the types of what the package here says of itself, unless they are of that."""
    said = subprocess.run([sys.executable, "-m", "penstock.web.document"], check=True, stdout=subprocess.PIPE).stdout
    if TYPES.is_file() and DOCUMENT.is_file() and DOCUMENT.read_bytes() == said:
        return
    DOCUMENT.write_bytes(said)
    TYPES.unlink(missing_ok=True)
    run([*npm, "run", "types"], "make its types of the OpenAPI document")


def checks(npm: Sequence[str], names: Sequence[str]) -> int:
    """Run scripts of ``package.json`` beside one another, print what each has to say, and return how many failed."""

    def check(name: str) -> str:
        try:
            run([*npm, "run", "--silent", name], f"check it by {name}")
        except BuildError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor() as threads:
        troubles = list(filter(None, threads.map(check, names)))
    for trouble in troubles:
        print(f"the live page: {trouble}", file=sys.stderr)
    return len(troubles)


def main(words: Sequence[str]) -> int:
    """Do what the command line says; return with what to exit."""
    try:
        npm = get_npm()
        install(npm)
    except BuildError as error:
        print(f"the live page cannot be checked here: {error}", file=sys.stderr)
        return CANNOT
    if "--test" in words:
        return WRONG if checks(npm, ["test"]) else 0
    make_types(npm)
    now = digest_of(
        path for folder in (SOURCES.glob("*"), SOURCES.glob("src/**/*")) for path in folder if path.is_file()
    )
    if "--types" in words or (RIGHT.is_file() and RIGHT.read_text() == now):
        return 0
    if checks(npm, ["tsc", "eslint"]):
        return WRONG
    RIGHT.write_text(now)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
