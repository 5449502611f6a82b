"""A Tango device that does not exist: motors, an ion chamber, a shutter and a spectrum, as attributes."""

from penstock.simulators.pv import PvSimulator

__all__ = ["TangoSimulator"]


class TangoSimulator(PvSimulator):
    """Tango: the attributes ``y``, ``x``, ``I0``, ``shutter`` and ``spectrum`` of the device ``sim/scan/1``.

    They are what the simulated process variables of EPICS are, with change events, and without a time of their own.
    """

    socket = "tango"
    usual_hz = 10.0
