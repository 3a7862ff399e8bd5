"""Listed synapses beside the matrix they stand for, in the compiled simulator: where lists begin to pay.

    python benchmarks/sparse.py

Weighted sums of integer messages on one thread, both forms in alternation. Times are those of the processor (user and
system), so that other work on the machine counts little. `matrix` and `lists` are the medians of several rounds in
microseconds an inference, `ratio` is the median of matrix over lists; kept in benchmarks/results/sparse.json. Both
forms choose their kernel for themselves, and their sums are compared before they are timed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measuring import machine

from spiking_pvae.deploy.ir import Dense
from spiking_pvae.deploy.sparsity import listed
from spiking_pvae.deploy.sums import compile_sums

RESULTS = Path(__file__).parent / "results" / "sparse.json"
SIZES = ((256, 512), (512, 256), (1024, 4096))
DENSITIES = (0.02, 0.05, 0.1, 0.25)
ACTIVE = (0.1, 1.0)
BATCHES = (1, 16, 256)
ROUNDS = 15
ROUND_SECONDS = 0.004


def microseconds(run: Callable[[Any], Any], messages: Any, repeats: int) -> float:
    """Return the time of one inference."""
    started = time.process_time()
    for _ in range(repeats):
        run(messages)
    return (time.process_time() - started) / (repeats * len(messages)) * 1e6


def compare(inputs: int, outputs: int, density: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Time both forms of one random matrix."""
    weight = rng.integers(-127, 128, (outputs, inputs)) * (rng.random((outputs, inputs)) < density)
    dense = Dense(weight=weight.astype(np.int8), exponent=0, bits=8)
    matrix, lists = compile_sums(dense), compile_sums(listed(dense))
    rows = []
    for batch in BATCHES:
        for active in ACTIVE:
            drawn = rng.integers(-127, 128, (batch, inputs)) * (rng.random((batch, inputs)) < active)
            messages = drawn.astype(np.int32)
            assert (matrix(messages) == lists(messages)).all()
            repeats = max(1, int(ROUND_SECONDS * 1e6 / (batch * microseconds(matrix, messages, 1))))
            pairs = [
                (microseconds(matrix, messages, repeats), microseconds(lists, messages, repeats)) for _ in range(ROUNDS)
            ]
            rows.append(
                {
                    "inputs": inputs,
                    "outputs": outputs,
                    "density": density,
                    "active": active,
                    "batch": batch,
                    "matrix": median(first for first, _ in pairs),
                    "lists": median(second for _, second in pairs),
                    "ratio": median(first / second for first, second in pairs),
                }
            )
    return rows


def main() -> None:
    """Measure, print and keep."""
    rng = np.random.default_rng(0)
    rows = []
    for inputs, outputs in SIZES:
        for density in DENSITIES:
            rows += compare(inputs, outputs, density, rng)
            for row in rows[-len(BATCHES) * len(ACTIVE) :]:
                print(
                    f"{inputs} -> {outputs}, {density:.0%} of the weights, {row['active']:.0%} of the inputs, batch "
                    f"{row['batch']}: matrix {row['matrix']:.2f} us, lists {row['lists']:.2f} us, {row['ratio']:.2f} x"
                )
    RESULTS.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
