"""An installation without extras sends and reads; whatever needs an extra says which, and never just fails.

What such an installation has is computed from the requirements of the package; a hook refuses everything else.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from penstock.cli.main import COMMANDS
from penstock.services.stream_server import StreamServer
from penstock.services.stream_tokens import Scope, Tokens
from penstock.streams.memory_store import MemoryStore
from penstock.streams.open_store import open_store

SECRET = b"0123456789abcdef0123456789abcdef"
LONGEST_S = 50

REFUSE = """\
import json, sys

class OnlyTheseFinder:
    there = {*sys.stdlib_module_names, "penstock", *json.loads(sys.argv.pop(1))}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.there and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyTheseFinder())
"""

COMMAND = "from penstock.cli.start import main; main()"

IMPORT_ALL = """
import importlib, pkgutil, penstock
said, behind = {}, tuple(sys.argv[1:])
for found in pkgutil.walk_packages(penstock.__path__, "penstock.", onerror=lambda name: None):
    if not found.name.startswith(behind):
        try:
            importlib.import_module(found.name)
        except penstock.PenstockError as error:
            said[found.name] = str(error)
print(json.dumps(said))
"""

FACE = """
import penstock
said = {}
for name in penstock.__all__:
    try:
        getattr(penstock, name)
    except ImportError as error:
        said[name] = str(error)
print(json.dumps(said))
"""

SEND = """
import numpy as np, penstock
with penstock.open_store(sys.argv[1]) as store, store.producer("c1/eiger") as out:
    for k in range(100):
        out.send(np.full((4, 5), k, np.uint16), stream="run 1", metadata={"k": k, "name": f"frame {k}"})
    out.flush()
    out.finish(stream="run 1")
"""

READ = """
import asyncio, penstock
with penstock.open_store(sys.argv[1]) as store:
    frames = [message.array for message in store.consumer("c1/eiger/run 1").follow()]
    found = [message.id for message in store.consumer("c1/eiger/run 1").query("meta.k > 96 AND meta.name REGEXP '9.$'")]
    with store.group("c1/eiger/run 1", "fit") as group:
        first = group.next()
        group.ack(first)

async def last():
    async with penstock.open_async_store(sys.argv[1]) as store:
        return (await store.consumer("c1/eiger/run 1").last()).id

try:
    penstock.connect("http://127.0.0.1:1")
except penstock.PenstockError as error:
    nobody = str(error)
print(json.dumps({
    "frames": len(frames), "shape": frames[7].shape, "sum": int(sum(int(frame[0, 0]) for frame in frames)),
    "found": found, "first": first.id, "last": asyncio.run(last()), "nobody": nobody,
    "loaded": sorted({name.partition(".")[0] for name in sys.modules} - {*sys.stdlib_module_names}),
}))
"""


@cache
def libraries(extra: str) -> tuple[str, ...]:
    """Return what can be imported of an installation with an extra, or without any, beside Python's own."""
    there, left = set(), [("penstock", extra)]
    while left:
        name, wanted = left.pop()
        if (name, wanted) in there:
            continue
        there.add((name, wanted))
        for requirement in map(Requirement, distribution(name).requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                left += [(canonicalize_name(requirement.name), more) for more in requirement.extras or {""}]
    names = {name for name, _ in there}
    return tuple(
        module
        for module, owners in packages_distributions().items()
        if any(canonicalize_name(owner) in names for owner in owners)
    )


def ran(
    extra: str, code: str, *words: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run code in an installation with an extra, or without any."""
    return subprocess.run(
        [sys.executable, "-c", REFUSE + code, json.dumps(libraries(extra)), *words],
        check=False, capture_output=True, text=True, timeout=LONGEST_S, stdin=subprocess.DEVNULL, env=environ,
    )  # fmt: skip


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET)


@pytest.fixture
def server(tokens: Tokens) -> Iterator[StreamServer]:
    with MemoryStore() as store, StreamServer(store, tokens=tokens) as server:
        yield server


def test_the_extras_are_those_that_are_promised() -> None:
    light, commands, everything = map(set, map(libraries, ("", "cli", "run")))
    assert light < commands < everything
    assert light == set(libraries("client"))
    assert {"numpy", "msgspec", "httpx"} <= light
    assert not light & {"typer", "pydantic", "yaml", "zmq", "h5py", "fastapi", "uvicorn", "cbor2", "pytest"}
    assert {"typer", "rich", "watchfiles"} <= commands
    assert not commands & {"yaml", "zmq", "h5py", "fastapi", "uvicorn", "cbor2", "pytest"}
    assert {"pydantic", "yaml", "zmq", "h5py", "fastapi", "uvicorn", "cbor2"} <= everything


def test_it_sends_and_reads_over_tcp(server: StreamServer, tokens: Tokens) -> None:
    granted = {
        "PENSTOCK_STREAMS_TOKEN": tokens.issue("light", [Scope.parse("write:c1"), Scope.parse("read:c1")], lasts_s=None)
    }
    sent = ran("", SEND, server.address, environ=granted)
    assert sent.returncode == 0, sent.stderr
    check_read(ran("", READ, server.address, environ=granted))


def test_it_sends_and_reads_in_a_folder(tmp_path: Path) -> None:
    sent = ran("", SEND, str(tmp_path / "store"))
    assert sent.returncode == 0, sent.stderr
    check_read(ran("", READ, str(tmp_path / "store")))


def check_read(read: subprocess.CompletedProcess[str]) -> None:
    assert read.returncode == 0, read.stderr
    said = json.loads(read.stdout)
    assert (said["frames"], said["shape"], said["sum"]) == (100, [4, 5], sum(range(100)))
    assert (said["found"], said["first"], said["last"]) == ([98, 99, 100], 1, 100)
    assert "nobody answers at http://127.0.0.1:1" in said["nobody"]
    assert not {"pydantic", "typer", "zmq"} & {*said["loaded"]}


@pytest.mark.parametrize("extra", ["", "cli"])
def test_every_module_can_be_imported_or_says_what_to_install(extra: str) -> None:
    # Commands lie behind penstock.cli.start; what is for tests and new projects is used with all there is.
    behind = ["penstock.testing.", "penstock.cli.new_project", *([] if extra else ["penstock.cli."])]
    imported = ran(extra, IMPORT_ALL, *behind)
    assert imported.returncode == 0, imported.stderr
    said = json.loads(imported.stdout)
    assert said
    wanted = r"(notebook|run|snap|tango)" if extra else r"(cli|notebook|run|tango)"
    for text in said.values():
        assert re.fullmatch(rf'\w+ is not installed; pip install "penstock\[{wanted}\]" brings it', text)
    lacking = {name for name in said if name.startswith(("penstock.streams.", "penstock.views.", "penstock.core."))}
    watching = {"penstock.streams.library_sight", "penstock.streams.arriving_files", "penstock.streams.folder_watcher"}
    decoding = {"penstock.core.cbor_item"}  # of instruments' bytes, which are read in pipelines only
    assert lacking == decoding | (set() if extra else watching)
    assert "penstock.client" not in said


def test_a_name_of_the_face_that_is_not_to_be_had_says_what_to_install() -> None:
    faces = ran("", FACE)
    assert faces.returncode == 0, faces.stderr
    said = json.loads(faces.stdout)
    assert {"Pipeline", "Source", "Use"} <= set(said)
    assert not {"open_store", "open_async_store", "connect", "Message", "ArrayView", "Producer"} & set(said)
    assert all('pip install "penstock[run]"' in text for text in said.values())


def test_the_command_without_its_libraries_says_what_to_install() -> None:
    said = ran("", COMMAND, "streams", "ls")
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == (
        'penstock: typer is not installed; pip install "penstock[cli]" brings it and the commands on streams; '
        '"penstock[run]" brings all commands\n'
    )


NEED_MORE: Mapping[str, str] = {
    "run": "run pipeline.yaml",
    "replay": "replay 1 --store store",
    "resume": "resume 1 --store store",
    "check": "check pipeline.yaml",
    "convert": "convert pipeline.yaml",
    "graph": "graph pipeline.yaml",
    "list": "list",
    "describe": "describe stins",
    "up": "up .",
    "play": "play recording.cbor --to tcp://127.0.0.1:0",
    "sim": "sim stins",
    "capture": "capture stins recording.cbor --connect tcp://127.0.0.1:1",
    "demo": "demo",
    "dranspose": "dranspose replay -w a:B -r a:C -f a.cbors",
    "streams import": "streams import recording.cbor c1/eiger/1 --store store",
    "streams export": "streams export c1/eiger/1 recording.cbor --store store",
}
DO_WITH_LESS: Mapping[str, tuple[str, int, str]] = {
    "new": ("new mine", 0, "mine has pipeline.yaml"),
    "top": ("top http://127.0.0.1:1", 1, "nobody answers at http://127.0.0.1:1"),
    "ctl": ("ctl http://127.0.0.1:1 status", 1, "nobody answers at http://127.0.0.1:1"),
    "serve": ("serve --store memory --listen nowhere", 2, "write PORT or HOST:PORT"),
    "token": ("token issue --name light --scope read:c1", 0, "ey"),
    "streams": ("streams ls --store store", 0, "c1/eiger/1"),
    "files": ("files nothing.jsonl", 2, "nothing.jsonl"),
    "epics": ("epics http://127.0.0.1:1", 1, 'p4p is not installed; pip install "penstock[epics]" brings it'),
    "events": ("events http://127.0.0.1:1", 1, "nobody answers at http://127.0.0.1:1"),
    "tango": (
        "tango http://127.0.0.1:1 --port 0",
        1,
        'tango is not installed; pip install "penstock[tango]" brings it',
    ),
    "watch": ("watch nowhere --to c1/files --store store", 2, "nowhere"),
}


def test_every_command_is_tried() -> None:
    assert {name.partition(" ")[0] for name in (*NEED_MORE, *DO_WITH_LESS)} == set(COMMANDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_store(tmp_path / "store") as store, store.producer("c1/eiger") as out:
        out.send(b"any", stream="1")
        out.finish(stream="1")
    (tmp_path / "recording.cbor").write_bytes(b"")
    return tmp_path


def commanded(folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an installation with the command line and nothing else."""
    secret = {"PENSTOCK_STREAMS_SECRET": SECRET.decode()}
    return ran("cli", f"import os; os.chdir({str(folder)!r})\n" + COMMAND, *words.split(), environ=secret)


@pytest.mark.parametrize("name", NEED_MORE)
def test_a_command_that_needs_more_says_what_to_install(name: str, folder: Path) -> None:
    said = commanded(folder, NEED_MORE[name])
    assert (said.returncode, said.stdout) == (1, ""), said.stderr
    assert re.fullmatch(r'penstock: \w+ is not installed; pip install "penstock\[run\]" brings it\n', said.stderr)


@pytest.mark.parametrize("name", DO_WITH_LESS)
def test_other_commands_do_what_they_should(name: str, folder: Path) -> None:
    words, code, text = DO_WITH_LESS[name]
    said = commanded(folder, words)
    assert said.returncode == code, said.stderr
    assert text in said.stdout + said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("installed", ["", "cli"])
def test_the_command_snap_says_what_to_install(installed: str, tmp_path: Path) -> None:
    said = ran(installed, "from penstock.cli.snap import main; main()", "node.yml")
    assert (said.returncode, said.stdout) == (1, "")
    assert re.search(r': \w+ is not installed; pip install "penstock\[snap\]" brings it\n$', said.stderr)
