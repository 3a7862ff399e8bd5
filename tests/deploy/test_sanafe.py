"""SANA-FE on our files: its spikes, synaptic operations, packets and hops are ours. Needs SANA-FE."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import networks
import numpy as np
import pytest
from test_exports import conv_network, dense_network

from spiking_pvae.deploy.backends import chosen
from spiking_pvae.deploy.compare import compare
from spiking_pvae.deploy.export import export, random_messages, write_files
from spiking_pvae.deploy.exporters.golden import read_golden
from spiking_pvae.deploy.exporters.sanafe_export import write
from spiking_pvae.deploy.exporters.sanafe_files import expected_sanafe
from spiking_pvae.deploy.exporters.sanafe_form import build
from spiking_pvae.deploy.hosts import SANAFE
from spiking_pvae.deploy.ir import ConstantThreshold
from spiking_pvae.deploy.loaders import LOADERS, load_sanafe
from spiking_pvae.deploy.mapping import CoreMesh
from spiking_pvae.deploy.verify import run_backend, verify_export
from spiking_pvae.errors import BackendError, DamagedFileError, InputError, LimitError

REQUIRED = os.environ.get("SPIKING_PVAE_REQUIRE_BACKENDS") == "1"
HERE = SANAFE.version("sanafe")
STEPS = 6
SMALL = CoreMesh(neurons_per_core=3, cores_per_tile=2, columns=5, rows=8)


def needs_sanafe(test):
    """Mark a test; where backends are required it fails without SANA-FE and is not skipped."""
    missing = pytest.mark.skipif(HERE is None and not REQUIRED, reason="SANA-FE is not installed (make backends)")
    return pytest.mark.slow(pytest.mark.backend(missing(test)))


def on(mesh):
    """Return the backend on another mesh than Loihi's."""

    def prepare(network, folder, *, schedule, steps):
        manifest = write_files(network, "sanafe", folder, schedule=schedule, steps=steps)
        for path in folder.glob("*"):
            path.unlink()
        write(network, folder, schedule=schedule, steps=steps, mesh=mesh)
        return load_sanafe(folder, manifest)

    return replace(chosen(("sanafe",))[0], prepare=prepare, expect=partial(expected_sanafe, mesh=mesh))


@needs_sanafe
@pytest.mark.parametrize("name", ["linear", "hidden", "few", "convolution"])
def test_sanafe_equals_the_reference(name):
    """Charges, spikes, synaptic operations, packets and hops of every neuron, over many cores."""
    hidden = dense_network()
    few = [
        replace(layer, neuron=replace(layer.neuron, n_max=2)) if isinstance(layer.neuron, ConstantThreshold) else layer
        for layer in hidden.layers
    ]
    network = {
        "linear": lambda: networks.random_network(3, signed=False),
        "hidden": lambda: hidden,
        "few": lambda: replace(hidden, layers=tuple(few)),
        "convolution": conv_network,
    }[name]()
    mesh = replace(SMALL, neurons_per_core=40) if name == "convolution" else SMALL
    messages = random_messages(network, 4, 0)
    verdict = run_backend(on(mesh), network, messages, seed=11, schedule="unary", steps=STEPS)
    assert verdict.status == "equal", verdict
    assert verdict.comparison.samples == 4
    expected = expected_sanafe(network, messages, seed=11, first_sample=0, schedule="unary", steps=STEPS, mesh=mesh)
    for quantity in ("synops", "packets", "hops"):
        assert sum(int(values[quantity].sum()) for values in expected.values() if quantity in values) > 0


MUTATIONS = {
    "weight": ("input.0 -> l0_hidden0.0: [weight: {w}]", "input.0 -> l0_hidden0.0: [weight: {v}]", "hidden0"),
    "threshold": ("- 0: [threshold: {t}]", "- 0: [threshold: {u}]", "hidden0"),
    # Without the half unit SANA-FE's > remains.
    "strict": ("l0_hidden0.2: [weight: -8388607.5]", "l0_hidden0.2: [weight: -8388608]", "hidden0"),
    "reset": ("reset_mode: soft", "reset_mode: hard", "hidden0"),
    "synapse": ("    - input.0 -> l0_hidden0.0: [weight: {w}]\n", "", "input"),
}


@needs_sanafe
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutations_are_reported(name, tmp_path):
    """A weight or threshold off by one, > for >=, a hard reset and a lost synapse, each at its layer."""
    network = dense_network()
    export(network, "sanafe", tmp_path / "export", messages=random_messages(network, 30, 0), seed=1, steps=12)
    manifest, comparison = verify_export(tmp_path / "export")
    assert comparison.mismatches == 0
    w, t = int(network.layers[0].synapse.weight[0, 0]), int(network.layers[0].neuron.theta[0])
    old, new, layer = MUTATIONS[name]
    old, new = (text.format(w=w, v=w + 1, t=t, u=t + 1) for text in (old, new))
    path = tmp_path / "export" / "network.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DamagedFileError, match=r"network\.yaml"):
        verify_export(tmp_path / "export")
    golden = read_golden(tmp_path / "export", manifest.layers)
    got = LOADERS["sanafe"](tmp_path / "export", manifest)(golden.messages, seed=golden.seed, first_sample=0)
    assert compare(golden.traces, got).first.layer == layer


@needs_sanafe
def test_export_reads_back_in_a_fresh_process(tmp_path):
    export(networks.random_network(1, hidden=(4,)), "sanafe", tmp_path / "export ü", steps=5)
    command = [sys.executable, "-m", "spiking_pvae", "verify", str(tmp_path / "export ü"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["backends"]
    assert (result["status"], result["samples"]) == ("equal", 16)


@needs_sanafe
def test_a_failing_program_says_why(tmp_path):
    network = networks.random_network(1)
    manifest = export(network, "sanafe", tmp_path / "export").manifest
    (tmp_path / "export" / "network.yaml").write_text("network: nothing")
    with pytest.raises(BackendError, match="sanafe"):
        LOADERS["sanafe"](tmp_path / "export", manifest)(random_messages(network, 1, 0), seed=0, first_sample=0)


def test_sanafe_refuses_what_it_can_not_hold(tmp_path):
    network = networks.random_network(3)
    with pytest.raises(InputError, match="schedule of a sanafe export"):
        export(network, "sanafe", tmp_path / "export", schedule="graded")
    latent = network.layers[0]
    loud = replace(latent, synapse=replace(latent.synapse, exponent=12))
    with pytest.raises(LimitError, match=r"'latents'.*24-bit membrane.*control spikes"):
        export(replace(network, layers=(loud, network.layers[1])), "sanafe", tmp_path / "export")
    with pytest.raises(LimitError, match="cores"):
        write(network, tmp_path, schedule="unary", steps=2, mesh=replace(SMALL, columns=1, rows=1))
    assert not (tmp_path / "export").exists()


def test_input_somas_sit_where_there_is_room():
    """In the tile of their population; the layers stay where the mapping has them."""
    network = networks.random_network(3, side=28, hidden=(700,))
    form = build(network, STEPS)
    everyone = np.bincount(np.concatenate([group.cores for group in form.groups]))
    assert everyone.max() <= 1024
    assert everyone.sum() == 2 * 784 + 700 + 6 + 784 + 6 + 3 * 4
    places = {group.name: group.cores for group in form.groups}
    assert (places["l0_hidden0"] == 0).all()
    assert set(places["input"] // 4) == set(places["input_off"] // 4) == {0}
    with pytest.raises(LimitError, match=r"more than 4096 exceeds 1024 neurons a core"):
        build(networks.random_network(3, side=64, bits=2, bias=False), STEPS)


def test_the_package_never_imports_sanafe():
    program = "import spiking_pvae.deploy.verify, spiking_pvae.deploy.exporters.sanafe_files, sys; " + (
        "print([name for name in sys.modules if 'sanafe' in name.split('.')[0] or 'sanafe_runtime' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
