"""Timing in alternation: every candidate runs in turn for a while, round after round."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLICE_S = 0.05


class Elsewhere:
    """A simulator in an interpreter of its own, which builds its network once and runs it for every line it reads.

    Parameters
    ----------
    python : str
        Interpreter.
    script : str
        File beside this one; prints a JSON object with `seconds` and `version` for each line.
    workload : Path
        What it runs (`spiking_form.SpikingForm.save`).
    """

    def __init__(self, python: str, script: str, workload: Path) -> None:
        command = [python, str(Path(__file__).parent / script), str(workload)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self.ask()["version"]

    def ask(self) -> dict[str, Any]:
        """Let it run once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError(f"{self._process.args!r} ended")

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def timed(
    runs: Mapping[str, Callable[[], Any]], rounds: int, elsewhere: Mapping[str, Elsewhere] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Run every candidate in turn for SLICE_S at least, `rounds` times; return the seconds of a call by round.

    Times are processor seconds of this thread, but for candidates elsewhere, which run once and say how long it took.
    """
    calls = {}
    for name, run in runs.items():
        run()
        started = time.process_time()
        run()
        calls[name] = max(1, round(SLICE_S / max(time.process_time() - started, 1e-6)))
    times: dict[str, list[float]] = {name: [] for name in (*runs, *(elsewhere or {}))}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.process_time()
            for _ in range(calls[name]):
                run()
            times[name].append((time.process_time() - started) / calls[name])
        for name, other in (elsewhere or {}).items():
            times[name].append(float(other.ask()["seconds"]))
    return {name: np.array(values) for name, values in times.items()}


def medians(times: Mapping[str, NDArray[np.float64]], scale: float = 1.0) -> dict[str, float]:
    """Return the median of each candidate's rounds, times `scale`."""
    return {name: scale * float(np.median(values)) for name, values in times.items()}


def ratios(times: Mapping[str, NDArray[np.float64]], name: str) -> dict[str, dict[str, float]]:
    """Return how many times as long as `name` each took: median of the rounds' ratios, least and largest."""
    return {
        other: {
            "median": float(np.median(values / times[name])),
            "least": float((values / times[name]).min()),
            "largest": float((values / times[name]).max()),
        }
        for other, values in times.items()
    }


def power_law(sizes: Sequence[float], seconds: Sequence[float]) -> dict[str, Any]:
    """Fit cost = c size^p and cost = a + b size.

    A fixed cost a makes p smaller than 1 although the cost is linear: the line's R^2 says whether it is.
    """
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    slope, fixed = np.polyfit(sizes, seconds, 1).tolist()
    return {
        "sizes": list(sizes),
        "seconds": list(seconds),
        "exponent": exponent,
        "fixed_seconds": fixed,
        "seconds_a_unit": slope,
        "r2_of_a_line": float(np.corrcoef(sizes, seconds)[0, 1] ** 2),
    }
