"""Instruments that do not exist."""

from importlib import import_module

from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["SIMULATORS", "Packets", "Simulator", "XrfScan", "simulator_named"]

SIMULATORS = {
    "albaem": "penstock.simulators.albaem:AlbaemSimulator",
    "bluesky": "penstock.simulators.bluesky:BlueskySimulator",
    "contrast": "penstock.simulators.contrast:ContrastSimulator",
    "dectris": "penstock.simulators.dectris:DectrisSimulator",
    "eiger": "penstock.simulators.eiger:EigerSimulator",
    "lecroy": "penstock.simulators.lecroy:LecroySimulator",
    "pandabox": "penstock.simulators.pandabox:PandaboxSimulator",
    "pandabox-framed": "penstock.simulators.pandabox:PandaboxFramedSimulator",
    "pandabox-zmq": "penstock.simulators.pandabox_zmq:PandaboxZmqSimulator",
    "sardana": "penstock.simulators.sardana:SardanaSimulator",
    "stins": "penstock.simulators.stins:StinsSimulator",
    "xspress3": "penstock.simulators.xspress3:Xspress3Simulator",
}
"""Where each simulator is; they are imported when they are asked for."""


def simulator_named(name: str) -> type[Simulator]:
    """Return one of `SIMULATORS`.

    Raises
    ------
    ValueError
        If there is none of that name; the text lists those there are.
    """
    if name not in SIMULATORS:
        raise ValueError(f"no simulator is called {name!r}; there are {', '.join(SIMULATORS)}, or write module:class")
    module, _, attribute = SIMULATORS[name].partition(":")
    found: type[Simulator] = getattr(import_module(module), attribute)
    return found
