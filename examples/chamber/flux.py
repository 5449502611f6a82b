"""The worker: how many photons a second an ion chamber's current means, and how many of them the sample lets through.

>>> import numpy as np
>>> from penstock.testing import make_message
>>> reading = make_message(np.array([1.602e-9, 0.801e-9, 0, 0]))
>>> found = photons(reading, energy_keV=34.8, gas="nitrogen", absorbed=0.1)
>>> round(found["photons_per_s"] / 1e8, 2), found["transmission"]
(1.0, 0.5)
"""

from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

from penstock import Message, Section, Unit

CHARGE_C = 1.602176634e-19
PAIR_eV = {"air": 33.97, "nitrogen": 34.8, "argon": 26.4, "helium": 41.3}
"""Mean energy that makes a pair of ions, of electrons: ICRU report 31."""

Channel = Annotated[int, Ge(1), Le(4), Section("Channels")]
Dark = Annotated[float, Unit("A"), Section("Dark"), "of this channel, without beam"]


def photons(
    reading: Message,
    *,
    before: Annotated[Channel, "the ion chamber before the sample"] = 1,
    behind: Annotated[Channel, "the one behind it"] = 2,
    dark_before_A: Dark = 0.0,
    dark_behind_A: Dark = 0.0,
    energy_keV: Annotated[float, Unit("keV"), Gt(0), Section("Beam"), "of a photon"] = 10.0,
    gas: Annotated[Literal["air", "nitrogen", "argon", "helium"], Section("Chamber")] = "nitrogen",
    absorbed: Annotated[float, Gt(0), Le(1), Section("Chamber"), "the part of the photons that the gas absorbs"] = 0.05,
) -> dict[str, Any]:
    """Return the flux before the sample, and what part of it comes through. All parameters may change while it runs."""
    I0_A = float(reading.array[before - 1]) - dark_before_A
    I1_A = float(reading.array[behind - 1]) - dark_behind_A
    pairs_per_photon = energy_keV * 1000 / PAIR_eV[gas]
    return {
        "time_s": reading.timestamp_ns / 1e9,
        "I0_A": I0_A,
        "photons_per_s": I0_A / CHARGE_C / pairs_per_photon / absorbed,
        "transmission": I1_A / I0_A if I0_A > 0 else float("nan"),
    }
