"""What was: the reports of runs that have ended, who changed which parameter when, and the journal."""

from typing import Annotated, Any, Literal

from penstock.extra import extra
from penstock.web.supervisor_line import SupervisorLine

with extra("run"):
    from fastapi import FastAPI, Query
    from fastapi.responses import JSONResponse

__all__ = ["serve_chronicle"]

MOST_CHANGES = 1000
MOST_ENTRIES = 1000
LONGEST_TEXT = 200
Kind = Literal["alarm", "command", "death", "feedback", "notice", "run", "state"]

Errors = dict[int | str, dict[str, Any]]


def serve_chronicle(app: FastAPI, line: SupervisorLine, *, run: str, errors: Errors) -> None:
    """Add the routes.

    Parameters
    ----------
    run
        The one that is served; empty if there is only the wish for one.
    """
    some: Errors = {code: errors[code] for code in (401, 403, 409, 422, 504)}

    @app.get("/api/v1/runs/{name}", tags=["run"], responses={**some, 404: errors[404]})
    async def report_of(name: str) -> Any:  # a report
        """Return the report of a run that was served here: of the present one as it is now, of others the last."""
        return JSONResponse(await (line.report() if run and name == run else line.ask("run", {"run": name})))

    @app.get("/api/v1/parameters/changes", tags=["parameters"], responses=some)
    async def changes(
        most: Annotated[int, Query(ge=1, le=MOST_CHANGES, description="No more than these, the last ones.")] = 100,
    ) -> Any:  # what JSON can hold
        """List who changed which parameters when, and what they were before, the newest last; also after the end."""
        return JSONResponse(await line.ask("parameter-changes", {"most": most}) if run else [])

    @app.get("/api/v1/journal", tags=["monitoring"], responses=some)
    async def journal(
        after: Annotated[int, Query(ge=0, description="With numbers above this one.")] = 0,
        kind: Annotated[list[Kind] | None, Query(description="More than once; by default all.")] = None,
        level: Annotated[Literal["log", "info", "alarm"], Query(description="At least so grave.")] = "log",
        text: Annotated[str, Query(max_length=LONGEST_TEXT, description="Stands somewhere in the entry.")] = "",
        most: Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="No more than these, the last ones.")] = 200,
    ) -> Any:  # what JSON can hold
        """Search what happened, the newest last: notices, states, deaths, commands; also after the end of the run."""
        if not run:
            return JSONResponse({"run": "", "last": 0, "entries": []})
        wish = {"after": after, "kinds": kind or [], "level": level, "text": text, "most": most}
        return JSONResponse(await line.ask("journal", wish))
