"""Instruments that do not exist."""

from importlib import import_module

from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["SERVED", "SIMULATORS", "Packets", "Simulator", "XrfScan", "simulator_named"]

SIMULATORS = {
    "albaem": "penstock.simulators.albaem:AlbaemSimulator",
    "bluesky": "penstock.simulators.bluesky:BlueskySimulator",
    "contrast": "penstock.simulators.contrast:ContrastSimulator",
    "dectris": "penstock.simulators.dectris:DectrisSimulator",
    "eiger": "penstock.simulators.eiger:EigerSimulator",
    "ess": "penstock.simulators.ess:EssSimulator",
    "lecroy": "penstock.simulators.lecroy:LecroySimulator",
    "pandabox": "penstock.simulators.pandabox:PandaboxSimulator",
    "pandabox-framed": "penstock.simulators.pandabox:PandaboxFramedSimulator",
    "pandabox-unframed": "penstock.simulators.pandabox:PandaboxUnframedSimulator",
    "pandabox-zmq": "penstock.simulators.pandabox_zmq:PandaboxZmqSimulator",
    "sardana": "penstock.simulators.sardana:SardanaSimulator",
    "stins": "penstock.simulators.stins:StinsSimulator",
    "xspress3": "penstock.simulators.xspress3:Xspress3Simulator",
}
"""Where each simulator is that has bytes of its own; they are imported when they are asked for."""
SERVED = {
    "pv": "penstock.simulators.pv:PvSimulator",
    "pva": "penstock.simulators.pva:PvaSimulator",
    "tango": "penstock.simulators.tango:TangoSimulator",
}
"""Likewise of those whose values a library serves."""


def simulator_named(name: str) -> type[Simulator]:
    """Return one of `SIMULATORS` or `SERVED`.

    Raises
    ------
    ValueError
        If there is none of that name; the text lists those there are.
    """
    there = SIMULATORS | SERVED
    if name not in there:
        raise ValueError(
            f"no simulator is called {name!r}; there are {', '.join(sorted(there))}, or write module:class"
        )
    module, _, attribute = there[name].partition(":")
    found: type[Simulator] = getattr(import_module(module), attribute)
    return found
