"""The energy of this machine's processor, where it exposes a counter (RAPL under /sys/class/powercap).

The counter of a package counts microjoules and wraps around at a value that it states. It holds the whole package,
other processes included, so a measurement on a busy machine is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


@dataclass(slots=True, kw_only=True)
class CpuEnergy:
    """What a measured block took.

    Parameters
    ----------
    joules : float, optional
        Sum over the packages; None where no counter can be read.
    reason : str
        Why there is none.
    """

    joules: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Counters of the processor's packages: file, and microjoules at which it wraps around."""

    files: tuple[tuple[Path, int], ...] = field(default_factory=tuple)
    reason: str = ""

    def read(self) -> tuple[int, ...]:
        """Return the microjoules of every package."""
        return tuple(int(file.read_text()) for file, _ in self.files)


def counters(folder: Path = POWERCAP) -> Counters:
    """Find the counters of whole packages.

    Parameters
    ----------
    folder : Path
        Where the kernel lists them.
    """
    found = []
    denied = False
    for domain in sorted(folder.glob("*:*")):
        if domain.name.count(":") != 1:  # a part of a package, already in its sum
            continue
        try:
            (domain / "energy_uj").read_text()
            found.append((domain / "energy_uj", int((domain / "max_energy_range_uj").read_text())))
        except PermissionError:
            denied = True
        except (OSError, ValueError):
            continue
    if found:
        return Counters(files=tuple(found))
    if denied:
        return Counters(reason=f"The energy counters in {folder} can't be read by this user.")
    return Counters(reason=f"This machine exposes no energy counter of its processor ({folder}).")


@contextmanager
def measured(source: Counters | None = None) -> Iterator[CpuEnergy]:
    """Measure a block; the result is filled in when it ends.

    Parameters
    ----------
    source : Counters, optional
        Those of this machine if not given.
    """
    source = counters() if source is None else source
    result = CpuEnergy(reason=source.reason)
    before = source.read()
    yield result
    if source.files:
        spent = (
            (after - start) % wrap for after, start, (_, wrap) in zip(source.read(), before, source.files, strict=True)
        )
        result.joules = 1e-6 * sum(spent)
