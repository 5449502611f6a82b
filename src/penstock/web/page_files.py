"""The live page as it was built into the package; where it was not, a plain page that says so.

Neither loads anything from anywhere else, and browsers are told not to let it.
"""

import mimetypes
from html import escape
from importlib.resources import files
from typing import Any, Final

from penstock.extra import extra
from penstock.web.packed_files import content_of

with extra("run"):
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import HTMLResponse

__all__ = ["is_live", "page", "serve_page_files"]

WHY_PLAIN: Final = (
    '<p id="why-plain">This is the plain page: the live one was not built into this installation{}. '
    "In a checkout, <code>./dev setup</code> builds it, and says what is missing.</p>"
)
FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Names of files change with what is in them."""
LIVE_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",  # ndarray, of h5web, makes its accessors from text
        "style-src 'self' 'unsafe-inline'",  # parts of the page are placed by style attributes
        "img-src 'self' data: blob:",
        "frame-src 'self' http: https:",  # a replay is shown beside the run: another port of this machine
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
"""As W3C's Content Security Policy Level 3 has it: what the page may load, and from where."""
PLAIN_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
    )
)
"""Of the plain one, which is one file."""
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the token is in the address
}


def is_live() -> bool:
    """Whether the live page was built into this installation."""
    return bool(files("penstock.web").joinpath("ui/index.html").is_file())


def page(*, is_plain: bool = False) -> Response:
    """Return the page, HTML.

    Parameters
    ----------
    is_plain
        The plain one, also where the live one is there.
    """
    folder = files("penstock.web")
    built, why = folder.joinpath("ui/index.html"), folder.joinpath("ui/missing.txt")
    if built.is_file() and not is_plain:
        return _html(built.read_text("utf-8"), LIVE_POLICY)
    plain = folder.joinpath("page.html").read_text("utf-8")
    if not built.is_file():
        said = WHY_PLAIN.format(f": {escape(why.read_text('utf-8').strip())}" if why.is_file() else "")
        plain = plain.replace("</header>", f"</header>{said}", 1)
    return _html(plain, PLAIN_POLICY)


def serve_page_files(app: FastAPI) -> None:
    """Serve what the page is made of: to everybody, because nothing of a run is in it."""

    @app.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        folder: Any = files("penstock.web").joinpath("ui/assets")
        found = folder.joinpath(name)
        if "/" in name or name.startswith(".") or not found.is_file():
            return Response(status_code=404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        content, encoded = content_of(folder, name, request.headers.get("accept-encoding", ""))
        headers = {"Cache-Control": FOR_EVER, **ALWAYS, **encoded}
        return Response(content, media_type=kind, headers=headers)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:  # browsers ask for it beside whatever is no page of ours
        return Response(status_code=204, headers={"Cache-Control": FOR_EVER})


def _html(text: str, policy: str) -> Response:
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache", **ALWAYS}
    return HTMLResponse(text, headers=headers)
