"""Commands to a running pipeline and their replies; what a viewer may ask is asked in the way open to viewers."""

import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from penstock.client.door import ERRORS, Door, detail_of
from penstock.core.alarm import in_one_line
from penstock.core.command import Command, Outcome, Reply
from penstock.core.feedback import Feedback, feedback_in_one_line
from penstock.errors import ServiceError

__all__ = ["Commands"]

LONGEST_POLL_S = 25.0
"""How long one question for feedback waits."""


class Commands:
    """Commands through a door."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def give(self, name: str, target: str, id: str, who: str, arguments: Mapping[str, Any]) -> Reply:  # noqa: A002
        """Command the pipeline, and return the reply, be it a refusal.

        Raises
        ------
        ServiceError
            If nobody answers, or the token is not good enough.
        """
        if name == "status" and not (arguments or target):  # for which the token of a viewer is enough
            return self._status_reply(id)
        if name == "feedback" and not target:  # likewise
            return self._feedback_reply(id, arguments)
        if name == "alarms" and not (arguments or target):  # likewise
            body = dict(self._door.json("GET", "alarms"))
            text = in_one_line(body["alarms"])
            return Reply(id=id, name=name, target="", outcome=Outcome.DONE, text=text, body=body)
        command = Command(name=name, target=target, id=id or uuid.uuid4().hex, who=who, arguments=dict(arguments))
        answer = self._door.sent("POST", "commands", again=True, json=msgspec.to_builtins(command))
        reply = _reply_in(answer)
        if reply is None:
            raise ERRORS.get(answer.status_code, ServiceError)(detail_of(answer))
        return reply

    def states(self) -> dict[str, Any]:
        """Return the states of everything, and which commands are allowed now."""
        return dict(self._door.json("GET", "states"))

    def feedback(self, after: int = 0, wait_s: float = 0.0, run: str = "") -> list[Feedback]:
        """Return what user code has said back with numbers above one; see `Connection.feedback`."""
        until_s = time.monotonic() + wait_s
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            # The program that serves may be replaced, and the run may end, while it is waited for.
            asked_s = min(left_s, LONGEST_POLL_S, self._door.timeout_s / 2)
            began_s = time.monotonic()
            found = self._door.json(
                "GET", f"feedback?after={int(after)}&wait_s={asked_s:.3f}&run={quote(run, safe='')}"
            )
            is_early = time.monotonic() - began_s < asked_s * 0.9
            if found or is_early or until_s <= time.monotonic():
                return msgspec.convert(found, list[Feedback])

    def _status_reply(self, id: str) -> Reply:  # noqa: A002
        body = self.states()
        first = body["states"][0]
        text = f"{first['name']} is {first['state']}{f', {why}' if (why := first['why']) else ''}"
        return Reply(id=id, name="status", target="", outcome=Outcome.DONE, text=text, state=body["state"], body=body)

    def _feedback_reply(self, id: str, arguments: Mapping[str, Any]) -> Reply:  # noqa: A002
        after, wait_s = int(arguments.get("after", 0)), float(arguments.get("wait_s", 0.0))
        found = self.feedback(after, wait_s)
        body = msgspec.to_builtins(found)
        return Reply(
            id=id, name="feedback", target="", outcome=Outcome.DONE, text=feedback_in_one_line(found), body=body
        )


def _reply_in(answer: httpx.Response) -> Reply | None:
    """Return the reply of an answer, of a refusal too; ``None`` if it is none."""
    try:
        body = answer.json()
        return msgspec.convert({key: value for key, value in body.items() if key != "detail"}, Reply)
    except (ValueError, AttributeError):  # msgspec's errors are the first
        return None
