"""A time as people read it in a table."""

__all__ = ["time_text"]


def time_text(value_s: float | None) -> str:
    """Write a time with three digits, in the unit that fits; a dot for none.

    >>> time_text(0.0123), time_text(2.5), time_text(0.0000031), time_text(4.2e-8), time_text(None)
    ('12.3 ms', '2.5 s', '3 µs', '42 ns', '·')
    """
    if value_s is None:
        return "·"
    if value_s >= 1:
        return f"{value_s:.3g} s"
    if value_s >= 1e-3:
        return f"{value_s * 1e3:.3g} ms"
    return f"{value_s * 1e6:.0f} µs" if value_s >= 1e-6 or not value_s else f"{value_s * 1e9:.0f} ns"
