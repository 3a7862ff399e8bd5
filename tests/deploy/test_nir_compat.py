"""NIR with IF neurons: loaded by everybody, and the table of what each makes of it, found by running them."""

import json
import os
import subprocess
from pathlib import Path

import networks
import nir
import numpy as np
import pytest

from spiking_pvae.deploy.export import export, random_messages
from spiking_pvae.deploy.exporters.nir_compat import importers, unit_rate_accumulator, warnings
from spiking_pvae.deploy.exporters.nir_probe import probe
from spiking_pvae.errors import InputError

REQUIRED = os.environ.get("SPIKING_PVAE_REQUIRE_BACKENDS") == "1"
PEERS = os.environ.get("SPIKING_PVAE_PEERS_PYTHON")


def row(importer):
    return next(row for row in importers() if row["importer"] == importer)


def test_snntorch_reads_as_the_table_says():
    assert probe("snntorch") == row("snntorch")


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.skipif(PEERS is None and not REQUIRED, reason="other importers are not installed (make backends)")
@pytest.mark.parametrize("importer", ["norse", "sinabs"])
def test_others_read_as_the_table_says(importer):
    program = "import json, sys; from spiking_pvae.deploy.exporters.nir_probe import probe; " + (
        "print(json.dumps(probe(sys.argv[1])))"
    )
    done = subprocess.run(
        [str(PEERS), "-c", program, importer],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == row(importer)


def test_file_says_what_the_neurons_mean(tmp_path):
    from test_exports import conv_network

    network = conv_network()
    written = export(network, "nir-compat", tmp_path / "export")
    assert not written.manifest.exact
    assert written.manifest.notes == warnings()
    assert any("norse" in note and "hard reset" in note for note in written.manifest.notes)
    assert all(0 <= share <= 1 for share in written.manifest.difference.values())
    assert max(written.manifest.difference.values()) > 0.1
    graph = nir.read(written.file, type_check=False)
    spiking = {name: node for name, node in graph.nodes.items() if isinstance(node, nir.IF)}
    assert len(spiking) == 4
    for name, node in spiking.items():
        text = node.metadata["spiking_pvae"]
        meaning = json.loads(text.decode() if isinstance(text, bytes) else text)
        assert meaning["reset"] == "soft"
        assert meaning["layer"].replace(".", "_") in name
    theta = network.layers[0].neuron.theta
    assert (spiking["n01_encoder_0_2_if"].v_threshold.reshape(-1) == theta).all()
    again = export(network, "nir-compat", tmp_path / "again")
    assert again.sha256 == written.sha256


def test_threshold_of_the_latents_is_a_rate_of_one():
    neuron = networks.random_network(3).latent.neuron
    accumulator = unit_rate_accumulator(neuron)
    reached = neuron.charge(accumulator) >= 2**neuron.fraction
    assert (neuron.charge(accumulator - 1)[reached] < 2**neuron.fraction).all()
    assert reached.any()


def test_golden_traces_are_of_the_network(tmp_path):
    from spiking_pvae.deploy.exporters.golden import read_golden
    from spiking_pvae.deploy.verify import verify_export

    network = networks.random_network(3, hidden=(5,))
    messages = random_messages(network, 4, 0)
    export(network, "nir-compat", tmp_path / "export", messages=messages)
    golden = read_golden(tmp_path / "export", ("hidden0", "latents"))
    assert (golden.messages == messages).all()
    assert golden.traces["hidden0"]["count"].max() > 1
    with pytest.raises(InputError, match="nir-compat"):
        verify_export(tmp_path / "export")
    assert np.isfinite(
        list(json.loads((tmp_path / "export" / "manifest.json").read_text())["difference"].values())
    ).all()
