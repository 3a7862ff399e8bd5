"""Golden traces: messages and what the network makes of them, beside every export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.traces import QUANTITIES, Int64, Traces
from spiking_pvae.storage import load_arrays, save_arrays

FILE = "golden.safetensors"
KIND = "spiking-pvae golden traces 1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Golden:
    """Messages, the seed of the draws and the traces; the first message is sample 0.

    Parameters
    ----------
    messages : ndarray of int64, shape (samples, inputs)
    seed : int
    traces : Traces
    """

    messages: Int64
    seed: int
    traces: Traces


def write_golden(golden: Golden, folder: Path) -> None:
    """Write golden traces into a folder."""
    arrays: dict[str, NDArray[Any]] = {"messages": golden.messages}
    for layer, quantities in golden.traces.items():
        arrays |= {f"{layer}/{quantity}": values for quantity, values in quantities.items()}
    save_arrays(folder / FILE, arrays, kind=KIND, metadata={"seed": str(golden.seed)})


def read_golden(folder: Path, layers: tuple[str, ...]) -> Golden:
    """Read the golden traces of an export of the given layers; raises as `load_arrays` does."""
    arrays, metadata = load_arrays(folder / FILE, kind=KIND)
    traces = {
        layer: {quantity: arrays[f"{layer}/{quantity}"] for quantity in QUANTITIES if f"{layer}/{quantity}" in arrays}
        for layer in ("input", *layers)
    }
    traces = {layer: quantities for layer, quantities in traces.items() if quantities}
    return Golden(messages=arrays["messages"], seed=int(metadata["seed"]), traces=traces)
