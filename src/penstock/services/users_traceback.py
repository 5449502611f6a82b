"""A traceback as the author of user code needs it: it begins in their code, not in the engine that called it."""

import traceback

__all__ = ["users_traceback"]

_CALLERS = (
    "penstock.engines.", "penstock.services.", "penstock.elements.instance", "penstock.elements.decoding",
    "penstock.elements.zmq_source", "penstock.elements.tcp_source", "penstock.elements.sources.recording",
    "penstock.core.block", "penstock.wire.", "penstock.compat.",
)  # fmt: skip
"""Modules that call user code, or are given by it what they cannot take."""


def users_traceback(error: BaseException) -> str:
    """Return the traceback of what user code raised, without the calls that led into it.

    Where nothing of it is the user's, as when a function takes fewer arguments than it gets, only type and text remain.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_CALLERS):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))
