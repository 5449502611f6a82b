"""What every route answers, put into the OpenAPI document, and what goes over the WebSocket beside it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from penstock.core.feedback import Feedback
from penstock.extra import extra
from penstock.monitor.report import LoadReport, NoticeReport, ProgressReport, RunReport
from penstock.services.command_audit import CommandRecord
from penstock.web import answers
from penstock.web.changes import Watches
from penstock.web.flow import Flow

with extra("run"):
    from fastapi import FastAPI

__all__ = ["ANSWERS", "OVER_WEBSOCKET", "TAKEN", "describe_answers"]

BASE: Final = "/api/v1/"
ANSWERS: Final[Mapping[tuple[str, str], Any]] = {
    ("get", "access"): answers.Access,
    ("get", "alarms"): answers.Alarms,
    ("post", "alarms/{alarm}/acknowledge"): answers.Alarm,
    ("post", "alarms/{alarm}/mute"): answers.Alarm,
    ("get", "commands"): list[CommandRecord],
    ("post", "commands"): answers.CommandReply,
    ("get", "data/{name}"): answers.Elements,
    ("get", "events"): list[answers.Keeper],
    ("get", "events/{stage}"): list[answers.KeptEvent],
    ("get", "feedback"): list[Feedback],
    ("get", "flow"): Flow,
    ("get", "flow/{room}"): answers.RoomDetails,
    ("get", "history"): answers.History,
    ("get", "journal"): answers.Journal,
    ("get", "ledger"): answers.Ledger,
    ("get", "load"): list[LoadReport],
    ("get", "maps"): list[answers.TriggerMap],
    ("post", "maps/{join}"): answers.TriggerMap,
    ("get", "notices"): list[NoticeReport],
    ("get", "parameters"): answers.ParameterList,
    ("put", "parameters"): answers.ParameterChange,
    ("get", "parameters/changes"): list[answers.ParameterChange],
    ("get", "past"): answers.Moments,
    ("get", "past/{name}"): answers.Elements,
    ("get", "progress"): ProgressReport | None,
    ("get", "recordings"): answers.Recordings,
    ("get", "replays"): list[answers.Replay],
    ("post", "replays"): answers.Replay,
    ("post", "replays/{name}/end"): answers.Replay,
    ("get", "run"): answers.About,
    ("post", "run/stop"): answers.Stopping,
    ("get", "runs"): list[answers.ServedRun],
    ("post", "runs"): answers.Starting,
    ("get", "runs/{name}"): RunReport,
    ("put", "stages/{stage}/workers"): answers.Scaled,
    ("get", "states"): answers.States,
    ("get", "status"): RunReport,
    ("get", "streams"): answers.StreamList,
    ("get", "streams/about/{address}"): (answers.AboutStream, answers.AboutAbove),
    ("get", "streams/array/{address}"): answers.Elements,
    ("get", "streams/groups"): list[answers.GroupOfStream],
    ("get", "streams/messages/{address}"): answers.StreamMessages,
    ("get", "views"): list[answers.View],
    ("get", "views/{name}"): answers.View,
}
"""What is answered in JSON with code 200, by method and path below ``/api/v1/``; several: one of these."""
OVER_WEBSOCKET: Final = (answers.Change, answers.NoChange, answers.FeedbackTold)
"""What is told as text at ``/api/v1/changes``, which the document names among its types only."""
TAKEN: Final = (Watches,)
"""What is taken there."""
OPEN: Final = frozenset({answers.JournalEntry.__name__})
"""Those that may have more than what they name."""
JSON: Final = "application/json"
REFERENCE: Final = "#/components/schemas/{name}"


def describe_answers(app: FastAPI) -> None:
    """Let the application's OpenAPI document say what each route answers; made when somebody asks for it."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _add(made())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI wants it


def _add(document: dict[str, Any]) -> None:
    kinds = [kind if isinstance(kind, tuple) else (kind,) for kind in ANSWERS.values()]
    schemas, types = _schemas([*chain.from_iterable(kinds), *OVER_WEBSOCKET])
    for (method, path), several in zip(ANSWERS, kinds, strict=True):
        content = document["paths"][f"{BASE}{path}"][method]["responses"]["200"].setdefault("content", {})
        found = [next(schemas) for _ in several]
        content.setdefault(JSON, {})["schema"] = found[0] if len(found) == 1 else {"anyOf": found}
    _, taken = msgspec.json.schema_components(TAKEN, ref_template=REFERENCE)
    there = document.setdefault("components", {}).setdefault("schemas", {})
    if doubled := (types.keys() & taken.keys()) | (there.keys() & (types.keys() | taken.keys())):
        raise AssertionError(f"two types of one name in the OpenAPI document: {', '.join(sorted(doubled))}")
    there.update(types | taken)


def _schemas(kinds: Sequence[Any]) -> tuple[Iterator[Any], dict[str, Any]]:
    """Return the schema of each, and those of all types that they consist of.

    What has a default is sent all the same.
    """
    schemas, types = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    for name, found in types.items():
        properties = found.get("properties", {})
        defaulted = [key for key, each in properties.items() if "default" in each]
        for key in defaulted:
            del properties[key]["default"]
        if required := [*found.get("required", ()), *defaulted]:
            found["required"] = required
        if name in OPEN:
            found["additionalProperties"] = True
    return iter(schemas), types
