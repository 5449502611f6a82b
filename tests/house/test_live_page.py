"""The live page is built, tested and packed, and loads nothing from outside; where it is missing, that is said."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from penstock.web import page_files
from penstock.web.page_files import LIVE_POLICY, PLAIN_POLICY, page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "src/penstock/web/ui"
NPM = """#!/bin/sh
echo "$*" >>"{calls}"
[ ! -e "{calls}.broken" ] || {{ echo "no registry"; exit 1; }}
[ "$1" = ci ] || {{ mkdir -p ../src/penstock/web/ui; echo live >../src/penstock/web/ui/index.html; }}
"""
"""Stands in for npm, so that nothing is fetched."""
LOADS = re.compile(r"""(?:\b(?:fetch|import|importScripts|Worker)\(|@import |url\(|\bsrc=)\s*["'`]?(https?:)?//""")
"""Code that loads something from a machine it names."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout of penstock, with the means to build and pack it, and an npm that only writes down its calls."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("build.py", "left-out.txt", "package.json", "package-lock.json"):
        (tmp_path / "ui/src").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "ui" / name, tmp_path / "ui")
    (tmp_path / "ui/src/main.tsx").write_text("first\n")
    (tmp_path / "src/penstock/web").mkdir(parents=True)
    (tmp_path / "src/penstock/__init__.py").touch()
    (tmp_path / "bin").mkdir()
    for name, text in (("node", "#!/bin/sh\necho v24.0.0\n"), ("npm", NPM.format(calls=tmp_path / "calls"))):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(tree: Path, *words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in the small checkout, where only its own npm is found."""
    path = os.pathsep.join([str(tree / "bin"), "/usr/bin", "/bin"])
    inherited = {name: value for name, value in os.environ.items() if name != "PENSTOCK_PAGE"}
    return subprocess.run(
        [sys.executable, *words], cwd=tree, env={**inherited, "PATH": path, **environ}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def calls(tree: Path) -> list[str]:
    return [line.partition(" --")[0] for line in (tree / "calls").read_text().splitlines()]


def test_it_is_built_when_its_sources_have_changed_and_fetched_for_when_its_packages_have(tree: Path) -> None:
    done = run(tree, "ui/build.py")
    assert (done.returncode, calls(tree)) == (0, ["ci", "run build"])
    assert "the live page: fetch what it is built of" in done.stderr
    assert "the live page: built in" in done.stderr
    (tree / "ui/src/api.test.ts").write_text("a test builds nothing\n")
    assert run(tree, "ui/build.py").stderr == ""
    (tree / "ui/src/main.tsx").write_text("second\n")
    run(tree, "ui/build.py")
    assert calls(tree) == ["ci", "run build", "run build"]
    (tree / "ui/package-lock.json").write_text("{}")
    run(tree, "ui/build.py")
    assert calls(tree) == ["ci", "run build", "run build", "ci", "run build"]


def test_what_fails_is_said_and_left_for_the_plain_page(tree: Path) -> None:
    (tree / "calls.broken").touch()
    done = run(tree, "ui/build.py")
    assert done.returncode == 1
    assert "it was not possible to fetch what it is built of; the end of what was printed:\nno registry" in done.stderr
    assert (
        tree / "src/penstock/web/ui/missing.txt"
    ).read_text() == "it was not possible to fetch what it is built of\n"


def test_it_is_left_alone_where_that_is_wanted(tree: Path) -> None:
    done = run(tree, "ui/build.py", PENSTOCK_PAGE="none")
    assert (done.returncode, done.stderr) == (0, "the live page: not built, as PENSTOCK_PAGE=none wants it\n")
    assert not (tree / "calls").exists()


def wheel(tree: Path, **environ: str) -> set[str]:
    """Make a wheel of a source distribution, and return what is in it for the web."""
    made = run(tree, "-m", "hatchling", "build", "-t", "sdist", "-d", tree / "made", **environ)
    assert made.returncode == 0, made.stderr
    (archive,) = (tree / "made").glob("*.tar.gz")
    shutil.unpack_archive(archive, tree / "unpacked", filter="data")
    (unpacked,) = (tree / "unpacked").iterdir()
    shutil.copytree(tree / "bin", unpacked / "bin")
    packed = run(unpacked, "-m", "hatchling", "build", "-t", "wheel", "-d", tree / "made", **environ)
    assert packed.returncode == 0, packed.stderr
    (found,) = (tree / "made").glob("*.whl")
    with zipfile.ZipFile(found) as archived:
        return {name for name in archived.namelist() if name.startswith("penstock/web/")}


def test_a_wheel_holds_the_page_which_a_source_distribution_builds(tree: Path) -> None:
    assert wheel(tree) == {"penstock/web/ui/index.html", "penstock/web/ui/built-of.txt"}
    assert calls(tree) == ["ci", "run build"]


def test_a_wheel_without_the_page_says_so(tree: Path) -> None:
    assert wheel(tree, PENSTOCK_PAGE="none") == {"penstock/web/ui/missing.txt"}
    assert not (tree / "calls").exists()


def test_a_wheel_that_must_have_the_page_is_not_made_without_it(tree: Path) -> None:
    (tree / "calls.broken").touch()
    failed = run(tree, "-m", "hatchling", "build", "-t", "wheel", "-d", tree / "made", PENSTOCK_PAGE="required")
    assert failed.returncode != 0
    assert "no registry" in failed.stderr
    passed = run(tree, "-m", "hatchling", "build", "-t", "wheel", "-d", tree / "made")
    assert passed.returncode == 0
    assert "penstock is installed without its live page, and serves a plain one" in passed.stderr


@pytest.fixture
def built() -> Path:
    if not (PAGE / "index.html").is_file():
        pytest.skip("the live page is not built here: ./dev setup builds it, and says what is missing")
    return PAGE


class Loaded(HTMLParser):
    """What an HTML page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":  # which is followed by people
            self.addresses += [value for name, value in attrs if name in ("src", "href") and value]


def test_it_loads_its_own_files_and_nothing_else(built: Path) -> None:
    found = [each for each in Loaded((built / "index.html").read_text()).addresses if not each.startswith("data:")]
    assert len(found) > 1
    assert [each for each in found if not (built / each).is_file()] == []
    assert LOADS.search('await fetch("https://elsewhere.example/font.woff")')
    texts = [path for path in built.rglob("*") if path.suffix in (".css", ".html", ".js")]
    assert len(texts) > 3
    assert [f"{path.name}: {hit[0]}" for path in texts for hit in LOADS.finditer(path.read_text())] == []


def test_browsers_are_told_to_load_nothing_from_elsewhere(built: Path) -> None:
    assert page().headers["content-security-policy"] == LIVE_POLICY
    sources = {
        word for part in LIVE_POLICY.split("; ") for word in part.split()[1:] if not part.startswith("frame-src")
    }
    assert sources == {"'self'", "'none'", "'unsafe-eval'", "'unsafe-inline'", "blob:", "data:"}


def test_the_plain_page_says_why_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_files, "files", lambda _: tmp_path)
    shutil.copy(ROOT / "src/penstock/web/page.html", tmp_path)
    assert "was not built into this installation. In a checkout" in bytes(page().body).decode()
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui/missing.txt").write_text("no npm with <Node.js>\n")
    plain = page()
    assert (
        "was not built into this installation: no npm with &lt;Node.js&gt;. In a checkout" in bytes(plain.body).decode()
    )
    assert plain.headers["content-security-policy"] == PLAIN_POLICY


def test_its_parts_pass_their_tests() -> None:
    if not (ROOT / "ui/node_modules/installed-of.txt").is_file():
        pytest.skip("the packages of the live page are not here: ./dev setup fetches them, and says what is missing")
    done = subprocess.run([sys.executable, ROOT / "ui/check.py", "--test"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
