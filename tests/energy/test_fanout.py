from __future__ import annotations

import numpy as np
import pytest

from spiking_pvae.deploy.ir import Dense
from spiking_pvae.energy import dense_macs, fan_out
from spiking_pvae.errors import UnsupportedError


def dense(weight: np.ndarray) -> Dense:
    return Dense(weight=weight.astype(np.int8), exponent=0, bits=8)


@pytest.mark.parametrize("skip", [True, False])
def test_fan_out_counts_synapses_one_by_one(skip: bool) -> None:
    weight = np.random.default_rng(0).integers(-1, 2, (7, 5))
    expected = [sum(1 for row in range(7) if weight[row, column] != 0 or not skip) for column in range(5)]
    found = fan_out(dense(weight), skip_zero_weights=skip)
    assert found.dtype == np.int64
    assert found.tolist() == expected


def test_dense_macs_count_zero_weights() -> None:
    assert dense_macs(dense(np.zeros((7, 5)))) == 35


def test_zero_weights_are_skipped_by_default() -> None:
    assert fan_out(dense(np.eye(3))).tolist() == [1, 1, 1]


def test_an_unknown_synapse_is_refused_by_name() -> None:
    class Wormhole: ...

    with pytest.raises(UnsupportedError, match="'Wormhole'"):
        fan_out(Wormhole())
