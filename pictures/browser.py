"""A Chromium without a window, which leaves nothing behind: for pictures, for tests and for measurements."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from playwright.sync_api import BrowserContext, Page, sync_playwright

__all__ = ["LONGEST_S", "Browser", "Shown", "what_is_missing"]

LONGEST_S = 20.0
"""A page that takes longer hangs."""
FLAGS = (
    "--disable-quic", "--no-first-run", "--disable-sync", "--disable-background-networking",
    "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars", "--disable-breakpad",
    "--no-proxy-server", "--disable-gpu", "--enable-unsafe-swiftshader",
)  # fmt: skip
"""It talks to this machine only, keeps shared memory in its own temporary folder, and draws by the processor."""


def what_is_missing() -> str:
    """Return why there can be no browser, and what to do; empty if there can."""
    if shutil.which("chromium"):
        return ""
    return "no chromium on this machine; ./dev setup-system installs it (Debian, as root: apt-get install chromium)"


class Browser:
    """A Chromium with an empty profile.

    Its profile, its processes and all else that it has written are gone when it is closed. While it is there, nothing
    else of this thread may run an event loop.
    """

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="penstock-chromium-"))
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = str(self._home)  # of what drives it, which is not told otherwise
        try:
            self._driver = sync_playwright().start()
        finally:
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before
        try:
            self.chromium = self._driver.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=list(FLAGS),
                env={**os.environ, "HOME": str(self._home), "TMPDIR": str(self._home)},
                timeout=1000 * LONGEST_S,
            )
        except BaseException:
            self._clean_up()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def tab(
        self,
        width: int = 1366,
        height: int = 650,
        *,
        scheme: Literal["light", "dark"] = "light",
        is_phone: bool = False,
        **more: Any,  # whatever Playwright takes for a context
    ) -> Iterator["Shown"]:
        """Open a tab with a profile of its own.

        Parameters
        ----------
        width, height
            Of the page, in pixels; by default what a browser shows of one on a small laptop.
        scheme
            What the reader wants.
        is_phone
            Whether it is touched.
        """
        context = self.chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, is_mobile=is_phone, has_touch=is_phone,
            reduced_motion="reduce", **more,
        )  # fmt: skip
        context.set_default_timeout(1000 * LONGEST_S)
        try:
            yield Shown(context)
        finally:
            context.close()

    def close(self) -> None:
        """End it, and remove what it has written."""
        try:
            self.chromium.close()
        finally:
            self._clean_up()

    def _clean_up(self) -> None:
        self._driver.stop()
        shutil.rmtree(self._home, ignore_errors=True)
        # Chromium's own helpers end a little later than it, and write until then.
        deadline = time.monotonic() + LONGEST_S
        while self._home.exists() and time.monotonic() < deadline:
            shutil.rmtree(self._home, ignore_errors=True)
            time.sleep(0.01)


class Shown:
    """A tab: a page, and what went wrong in it.

    Parameters
    ----------
    context
        With a profile of its own.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self._problems: list[str] = []
        self.page.on("console", lambda said: self._note(said.type, f"{said.text} {said.location.get('url', '')}"))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def open(self, address: str) -> None:
        """Show a page."""
        self.page.goto(address)

    def run(self, script: str) -> Any:  # what the page returns
        """Return what a script says in the page, which is the body of a function."""
        return self.page.evaluate(f"() => {{{script}}}")

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, or raise what was waited for."""
        deadline = time.monotonic() + LONGEST_S
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {LONGEST_S:.0f} s: {what}; the page says: {self.text()}")
            self.page.wait_for_timeout(50)

    def text(self) -> str:
        """Return what there is to be read."""
        return self.page.inner_text("body")

    def problems(self) -> list[str]:
        """Return errors and warnings that the page has met since this was asked last: of scripts, of requests."""
        self.page.wait_for_timeout(0)  # lets what is under way come in
        found, self._problems = self._problems, []
        return found

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "GL Driver Message" not in text:  # of drawing by the processor
            self._problems.append(f"{kind}: {text}")
