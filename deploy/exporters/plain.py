"""A network as plain arrays and JSON: the form that snnTorch modules and Lava processes are built from."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Dense, ExponentialThreshold, Layer, Readout, Sparse
from spiking_pvae.errors import DamagedFileError
from spiking_pvae.storage import read_json, write_json

ARRAYS, LAYERS = "network.npz", "network.json"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainLayer:
    """One layer: numbers and words in `description`, everything else in `arrays`.

    Parameters
    ----------
    description : dict
        ``name``, ``neurons``, ``exponent`` of the weights, ``synapse`` (dense or conv2d with its geometry), ``neuron``
        (constant, poisson or readout) and the neuron's scalars.
    arrays : dict of str to ndarray
        ``weight`` (int8 mantissas), ``bias`` (int64, one a neuron) and the neuron's arrays (int64).
    """

    description: dict[str, Any]
    arrays: Arrays


def plain_layer(layer: Layer) -> PlainLayer:
    """Describe a layer."""
    description: dict[str, Any] = {"name": layer.name, "neurons": layer.neurons, "exponent": layer.synapse.exponent}
    arrays: Arrays = {
        "weight": layer.synapse.weight,
        "bias": np.zeros(layer.neurons, np.int64) if layer.bias is None else layer.bias.value,
    }
    match layer.synapse:
        case Dense() | Sparse():
            description["synapse"] = "dense"
        case Conv2d(input_shape=shape, stride=stride, padding=padding, dilation=dilation, groups=groups):
            description |= {"synapse": "conv2d", "input_shape": shape, "stride": stride, "padding": padding}
            description |= {"dilation": dilation, "groups": groups}
        case _:
            assert_never(layer.synapse)
    match layer.neuron:
        case ConstantThreshold(n_max=n_max):
            description |= {"neuron": "constant", "n_max": n_max}
            arrays["theta"] = layer.neuron.theta
        case ExponentialThreshold() as neuron:
            description |= {"neuron": "poisson", "n_max": neuron.n_max}
            description |= {"table_low": neuron.table_low, "fraction": neuron.fraction}
            for name in ("gain", "gain_shift", "table", "rate", "rate_shift"):
                arrays[name] = getattr(neuron, name).astype(np.int64)
        case Readout():
            description["neuron"] = "readout"
        case _:
            assert_never(layer.neuron)
    return PlainLayer(description=description, arrays=arrays)


def write_plain(layers: Sequence[Layer], folder: Path) -> None:
    """Write layers into a folder; the same bytes for the same layers."""
    parts = [plain_layer(layer) for layer in layers]
    arrays = {f"{place}.{name}": values for place, part in enumerate(parts) for name, values in part.arrays.items()}
    # numpy gives every member of the archive the same date, so that equal arrays make equal files.
    np.savez_compressed(folder / ARRAYS, **arrays)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle for one
    write_json(folder / LAYERS, {"layers": [part.description for part in parts]})


def read_plain(folder: Path) -> tuple[PlainLayer, ...]:
    """Read what `write_plain` wrote.

    Raises
    ------
    DamagedFileError
        The files are not what they should be.
    """
    described = read_json(folder / LAYERS)
    try:
        with np.load(folder / ARRAYS, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return tuple(
            PlainLayer(
                description=json.loads(json.dumps(description)),
                arrays={
                    name.partition(".")[2]: values for name, values in arrays.items() if name.startswith(f"{place}.")
                },
            )
            for place, description in enumerate(described["layers"])
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DamagedFileError(folder / ARRAYS, f"is truncated or foreign ({error}).") from error
