"""Time spent on a training."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Wall and processor time of a training, over all its resumptions; seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    @classmethod
    def started(cls, *, wall: float = 0.0, cpu: float = 0.0) -> Clock:
        """Start a clock that shows what was spent before."""
        return cls(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)

    def now(self) -> Clock:
        """Read the clock."""
        return Clock(wall=time.perf_counter() - self.wall, cpu=time.process_time() - self.cpu)
