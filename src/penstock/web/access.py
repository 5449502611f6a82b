"""What whoever asks may do here, so that a page shows no button that would be refused."""

from typing import Any

from penstock.extra import extra
from penstock.web.gate import OPERATOR, ROLE

with extra("run"):
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse

__all__ = ["serve_access"]


def serve_access(app: FastAPI, *, errors: dict[int | str, dict[str, Any]]) -> None:
    """Add the route."""

    @app.get("/api/v1/access", tags=["run"], responses={code: errors[code] for code in (401, 403)})
    async def access(request: Request) -> Any:  # what JSON can hold
        """Say what the sender may do: ``role`` is viewer or operator."""
        return JSONResponse({"role": request.scope.get(ROLE, OPERATOR)})
