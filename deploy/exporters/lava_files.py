"""The reader of Lava exports: runs the exported programs in the interpreter that has Lava."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.traces import QUANTITIES, Int64, Traces

RunProgram = Callable[..., dict[str, NDArray[Any]]]
"""Runs a program on a folder with a job; returns its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LavaRunner:
    """An export folder and what runs it.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    run_program : callable
    """

    folder: Path
    manifest: Manifest
    run_program: RunProgram

    def __call__(self, messages: Int64, *, seed: int, first_sample: int) -> Traces:
        """Run messages of shape (samples, inputs)."""
        job = {
            "messages": messages,
            # numpy holds integers above 2^63 only as unsigned
            "seed": np.uint64(seed),
            "first_sample": first_sample,
            "unary": self.manifest.schedule == "unary",
            "steps": self.manifest.steps,
            "incoming": self.manifest.incoming,
        }
        result = self.run_program(self.folder / "run_counts.py", self.folder, job)
        return {
            layer: {
                quantity: result[f"{layer}/{quantity}"] for quantity in QUANTITIES if f"{layer}/{quantity}" in result
            }
            for layer in self.manifest.layers
        }
