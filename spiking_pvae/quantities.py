"""Numbers as people read them."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """Write a time in seconds with three digits at least: '0.0342 s', '23.7 s', '978 s'."""
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


def quantity(value: float, unit: str) -> str:
    """Write a value with an SI prefix: 3.2e-6 J as '3.20 uJ'."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    prefixes = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
    power = min(9, max(-18, 3 * math.floor(math.log10(abs(value)) / 3)))
    return f"{value / 10.0**power:.3g} {prefixes[power]}{unit}"
