"""A tab that can be hidden, which those are not that Playwright opens: it has them believe that they are in front."""

import json
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import Browser

from pictures.browser import LONGEST_S

__all__ = ["PlainTab"]


class PlainTab:
    """A tab of a window of its own, over the protocol of Chromium's developer tools.

    Parameters
    ----------
    chromium
        That has it.
    """

    def __init__(self, chromium: Browser) -> None:
        self._link = chromium.new_browser_cdp_session()
        self._link.on("Target.receivedMessageFromTarget", self._hear)
        self._target = self._link.send("Target.createTarget", {"url": "about:blank", "newWindow": True})["targetId"]
        self._session = self._link.send("Target.attachToTarget", {"targetId": self._target})["sessionId"]
        self._answers: dict[int, dict[str, Any]] = {}
        self._sent = 0
        self.heard: Counter[str] = Counter()
        """How often it told of what."""
        self.send("Network.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.send("Target.closeTarget", {"targetId": self._target})
        self._link.detach()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:  # what the protocol has
        """Tell it something, and return its answer."""
        self._sent += 1
        mine = self._sent
        text = json.dumps({"id": mine, "method": method, "params": parameters})
        self._link.send("Target.sendMessageToTarget", {"sessionId": self._session, "message": text})
        deadline = time.monotonic() + LONGEST_S
        while mine not in self._answers:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer to {method}")
            self.hear()
        answer = self._answers.pop(mine)
        if "error" in answer:
            raise ValueError(f"{method}: {answer['error']}")
        found: dict[str, Any] = answer["result"]
        return found

    def hear(self) -> None:
        """Take in what has come."""
        self._link.send("Browser.getVersion")

    def hear_for(self, seconds: float) -> None:
        """Take in what comes for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.hear()
            time.sleep(0.01)

    def open(self, address: str) -> None:
        """Begin to show a page."""
        self.send("Page.navigate", url=address)

    def run(self, expression: str) -> Any:  # what the page returns
        """Return what an expression is in the page."""
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def hide(self) -> None:
        """Make its window small."""
        self._set_window("minimized")

    def show(self) -> None:
        """Make it large again."""
        self._set_window("normal")

    def _set_window(self, state: str) -> None:
        window = self._link.send("Browser.getWindowForTarget", {"targetId": self._target})["windowId"]
        self._link.send("Browser.setWindowBounds", {"windowId": window, "bounds": {"windowState": state}})

    def _hear(self, said: dict[str, Any]) -> None:
        message = json.loads(said["message"])
        if "id" in message:
            self._answers[message["id"]] = message
        else:
            self.heard[message["method"]] += 1
