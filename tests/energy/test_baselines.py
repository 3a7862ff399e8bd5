from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joules import close

from spiking_pvae.energy import count
from spiking_pvae.energy.baselines import baselines, equivalent_bits, integer_mac
from spiking_pvae.energy.cpu import counters, measured
from spiking_pvae.errors import InputError


def test_alternatives_by_hand(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((3, 4)), np.ones((4, 3)))  # 12 MACs in the encoder, 12 in the decoder
    rows = {row.name: row for row in baselines(network, count(network, make_record(network)), largest_count=6)}
    assert rows["float network"].joules.value == close(24 * 4.6e-12)
    assert rows["int8 network"].joules.value == close(24 * 0.3e-12)
    # T = 6 needs 3 bits: 12 MACs of 8 x 8 and 12 of 3 x 8 bits
    assert rows["quantised network"].joules.value == close(12 * 0.3e-12 + 12 * (0.2e-12 * 3 / 8 + 0.1e-12))
    assert rows["Gaussian VAE"].macs == 36
    assert rows["rectified Gaussian VAE"].macs == 30


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (255, 8), (256, 9)]
)
def test_bits_that_tell_counts_apart(largest: int, bits: int) -> None:
    assert equivalent_bits(largest) == bits
    assert 2**bits >= largest + 1
    assert bits == 1 or 2 ** (bits - 1) < largest + 1


def test_the_scaling_meets_both_published_widths() -> None:
    assert integer_mac(8, 8) == close(0.3e-12)
    assert integer_mac(32, 32) == close(3.1e-12 + 0.1e-12, rel=0.04)  # 3.2 of the product against 3.1
    with pytest.raises(InputError, match="weight bits"):
        integer_mac(8, 0)


def domain(folder: Path, name: str, energy: int, wrap: int = 1000) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "max_energy_range_uj").write_text(f"{wrap}\n")
    (folder / name / "energy_uj").write_text(f"{energy}\n")
    return folder / name / "energy_uj"


def test_the_processors_counters_are_added_and_unwrapped(tmp_path: Path) -> None:
    first, second = domain(tmp_path, "intel-rapl:0", 100), domain(tmp_path, "intel-rapl:1", 990)
    domain(tmp_path, "intel-rapl:0:0", 50)  # cores of the first package: in its sum already
    with measured(counters(tmp_path)) as energy:
        assert energy.joules is None
        first.write_text("130\n")
        second.write_text("15\n")  # wrapped at 1000
    assert energy.joules == close((30 + 25) * 1e-6)


def test_a_machine_without_a_counter_says_so(tmp_path: Path) -> None:
    with measured(counters(tmp_path / "nothing")) as energy:
        pass
    assert energy.joules is None
    assert "exposes no energy counter" in energy.reason
