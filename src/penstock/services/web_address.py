"""The service for an address that people wrote; its tokens come from the environment."""

import os
from collections.abc import Mapping

from penstock.errors import ServiceError
from penstock.pipeline.serve_address import host_and_port
from penstock.services.web_service import WebService

__all__ = ["OPERATOR_TOKEN", "VIEWER_TOKEN", "web_service"]

VIEWER_TOKEN = "PENSTOCK_VIEWER_TOKEN"
OPERATOR_TOKEN = "PENSTOCK_OPERATOR_TOKEN"
"""Environment variables: a token on a command line could be read by everybody on the machine."""


def web_service(written: int | str, environ: Mapping[str, str] = os.environ) -> WebService:
    """Return a service that listens there.

    Raises
    ------
    ServiceError
        If that is no address, not to be had, or open to other machines while the environment has no token.
    """
    host, port = host_and_port(written)
    tokens = {"viewer_token": environ.get(VIEWER_TOKEN, ""), "operator_token": environ.get(OPERATOR_TOKEN, "")}
    try:
        return WebService(host, port, **tokens)
    except ServiceError as error:
        if any(tokens.values()) or "token" not in str(error):
            raise
        raise ServiceError(f"{error}; tokens are taken from {VIEWER_TOKEN} and {OPERATOR_TOKEN}") from error
