"""A Chromium without a window, which leaves nothing behind. It is there for pictures and for tests of the web page."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

__all__ = ["Browser", "what_is_missing"]

LONGEST_S = 20.0
"""A page that takes longer hangs."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-breakpad", "--no-proxy-server",
)  # fmt: skip
"""It talks to this machine only, and keeps shared memory in its own temporary folder."""


def what_is_missing() -> str:
    """Return why there can be no browser, and what to do; empty if there can."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if not missing:
        return ""
    remedy = "./dev setup-system installs it (Debian, as root: apt-get install chromium chromium-driver)"
    return f"no {' and no '.join(missing)} on this machine; {remedy}"


class Browser:
    """A Chromium with an empty profile.

    Its profile, its processes and all else that it has written are gone when it is closed.

    Parameters
    ----------
    width, height
        Of the page, in pixels; by default what a browser shows of one on a small laptop.
    """

    def __init__(self, width: int = 1366, height: int = 650) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="penstock-chromium-"))
        options = ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*FLAGS, f"--user-data-dir={self._home}/profile"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        environ = {**os.environ, "HOME": str(self._home), "TMPDIR": str(self._home)}
        self._service = Service(shutil.which("chromedriver"), env=environ, popen_kw={"start_new_session": True})
        try:
            self.driver = Chrome(options=options, service=self._service)
        except BaseException:
            self._clean_up()
            raise
        self.driver.set_page_load_timeout(LONGEST_S)
        # A window's size would be that with its frame.
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, address: str) -> None:
        """Show a page."""
        self.driver.get(address)

    def run(self, script: str) -> Any:  # what the page returns
        """Return what a script says in the page."""
        return self.driver.execute_script(script)

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, or raise what was waited for."""
        WebDriverWait(self.driver, LONGEST_S, poll_frequency=0.05).until(lambda _: is_so(), what)

    def problems(self) -> list[str]:
        """Return errors and warnings that the page has met since this was asked last: of scripts, of requests."""
        return [
            f"{entry['level']}: {entry['message']}"
            for entry in self.driver.execute("getLog", {"type": "browser"})["value"]
        ]

    def close(self) -> None:
        """End it, and remove what it has written."""
        try:
            self.driver.quit()
        finally:
            self._clean_up()

    def _clean_up(self) -> None:
        driver = getattr(self._service, "process", None)
        self._service.stop()
        # Chromium's own helpers end a little later than it, and write until then.
        deadline = time.monotonic() + 5
        while driver is not None and (left := _session(driver.pid)):
            if time.monotonic() > deadline:
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        shutil.rmtree(self._home)


def _session(leader: int) -> list[int]:
    """Return the living processes of a session, all that its leader has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, session, *_ = stat.read_text().rpartition(") ")[2].split()
            if int(session) == leader and state not in "ZX":
                found.append(int(stat.parent.name))
    return found
