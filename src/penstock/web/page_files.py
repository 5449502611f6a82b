"""The live page as it was built into the package; where it was not, a plain page that says so."""

import mimetypes
from importlib.resources import files
from typing import Any, Final

from penstock.extra import extra

with extra("run"):
    from fastapi import FastAPI, Response

__all__ = ["page", "serve_page_files"]

WHY_PLAIN: Final = (
    "<p>This is the plain page: the live one was not built into this installation. "
    "<code>./dev setup</code> builds it, and says what is missing.</p>"
)
FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Names of files change with what is in them."""


def page(*, is_plain: bool = False) -> str:
    """Return the page, HTML.

    Parameters
    ----------
    is_plain
        The plain one, also where the live one is there.
    """
    folder = files("penstock.web")
    built = folder.joinpath("ui/index.html")
    if not built.is_file():
        return folder.joinpath("page.html").read_text("utf-8").replace("</header>", f"</header>{WHY_PLAIN}", 1)
    return (folder.joinpath("page.html") if is_plain else built).read_text("utf-8")


def serve_page_files(app: FastAPI) -> None:
    """Serve what the page is made of: to everybody, because nothing of a run is in it."""

    @app.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        found: Any = files("penstock.web").joinpath("ui/assets").joinpath(name)
        if "/" in name or name.startswith(".") or not found.is_file():
            return Response(status_code=404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(found.read_bytes(), media_type=kind, headers={"Cache-Control": FOR_EVER})
