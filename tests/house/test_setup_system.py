"""``./dev setup-system``: what it does where Chromium is there, can be had, or cannot."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

DEV = Path(__file__).parents[2] / "dev"
NEEDED = ("sh", "dirname", "cat")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of commands, which are all that this machine has."""
    for name in NEEDED:
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    return tmp_path


def has(machine: Path, name: str, script: str) -> None:
    (machine / name).write_text(f"#!{machine}/sh\n{script}\n")
    (machine / name).chmod(0o755)


def setup_system(machine: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": str(machine)}
    return subprocess.run([DEV, "setup-system"], env=environ, capture_output=True, text=True, check=False)


def test_what_is_there_is_not_installed(machine: Path) -> None:
    has(machine, "chromium", "exit 0")
    has(machine, "apt-get", f"echo called >>{machine}/calls")
    done = setup_system(machine)
    assert (done.returncode, done.stdout) == (0, "./dev: Chromium is there\n")
    assert not (machine / "calls").exists()


def test_root_on_debian_installs_the_browser(machine: Path) -> None:
    has(machine, "id", "echo 0")
    has(machine, "apt-get", f'echo "$DEBIAN_FRONTEND: $*" >>{machine}/calls')
    assert setup_system(machine).returncode == 0
    update, install = (machine / "calls").read_text().splitlines()
    assert update.endswith("update -q")
    assert install.startswith("noninteractive: ")
    assert install.endswith("install -q -y --no-install-recommends chromium")


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ({}, "no apt-get here"),
        ({"apt-get": "exit 0", "id": "echo 1000"}, "only root can install Chromium"),
        ({"apt-get": "echo no network; exit 100", "id": "echo 0"}, "apt-get could not install Chromium"),
    ],
    ids=["no apt-get", "not root", "no network"],
)
def test_what_cannot_be_is_said_with_what_to_do(machine: Path, commands: dict[str, str], said: str) -> None:
    for name, script in commands.items():
        has(machine, name, script)
    done = setup_system(machine)
    assert done.returncode == 1
    assert said in done.stderr
    assert "apt-get install chromium" in done.stderr
