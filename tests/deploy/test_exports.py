"""Every export through a real reader, and every fault that a reader has to report."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import networks
import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy import exponential
from spiking_pvae.deploy.backends import BACKENDS, chosen
from spiking_pvae.deploy.compare import compare
from spiking_pvae.deploy.expected import expected
from spiking_pvae.deploy.export import export, random_messages
from spiking_pvae.deploy.exporters import nir_files, poisson, snntorch_files
from spiking_pvae.deploy.exporters.manifest import read_manifest
from spiking_pvae.deploy.exporters.snntorch_modules import SpikingLayer
from spiking_pvae.deploy.exporters.targets import INSTALL, target
from spiking_pvae.deploy.files import save_network
from spiking_pvae.deploy.ir import Bias, ConstantThreshold, Conv2d, Layer, Network, Readout
from spiking_pvae.deploy.verify import run_backend, verify, verify_export
from spiking_pvae.errors import DamagedFileError, InputError, LimitError, UnsupportedError

IN_PROCESS = ("reference", "numba", "nir", "nirtorch", "snntorch")
EXPORTED = ("nir", "snntorch")
WRITTEN = (*EXPORTED, "netx", "netx-cuba", "lava", "lava-stock", "sanafe")
STEPS = 5


def backend(name):
    return chosen((name,))[0]


def dense_network(seed=3, hidden=(9, 7)):
    """Thresholds of 64 and few bits, so that many accumulators are exact multiples of their threshold."""
    network = networks.random_network(seed, hidden=hidden, bits=4, bias=False)
    rng = np.random.default_rng(seed)
    layers = [
        replace(layer, neuron=ConstantThreshold(mantissa=rng.integers(1, 4, layer.neurons).astype(np.int32), n_max=40))
        if isinstance(layer.neuron, ConstantThreshold)
        else layer
        for layer in network.layers
    ]
    return replace(network, layers=tuple(layers))


def conv_layer(name, rng, shape, outputs, *, kernel=3, stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1):
    synapse = Conv2d(
        weight=rng.integers(-7, 8, (outputs, shape[0] // groups, kernel, kernel)).astype(np.int8),
        exponent=1,
        bits=4,
        input_shape=shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    maps = synapse.output_shape
    size = int(np.prod(maps))
    return Layer(
        name=name,
        shape=maps,
        synapse=synapse,
        bias=Bias(mantissa=np.repeat(rng.integers(-90, 90, outputs), size // outputs).astype(np.int16), exponent=0),
        neuron=ConstantThreshold(mantissa=rng.integers(1, 9, size).astype(np.int32), n_max=31),
        scale=np.ones(size),
    )


def conv_network(seed=1):
    rng = np.random.default_rng(seed)
    plain = networks.random_network(seed, side=6, latents=5)
    first = conv_layer("encoder.0", rng, (1, 6, 6), 4, stride=(2, 1))
    second = conv_layer("encoder.1", rng, first.shape, 6, kernel=2, padding=(0, 1), dilation=(1, 2), groups=2)
    latents = networks.dense_layer("latents", rng, second.neurons, plain.latent.neuron, 5, bias=True)
    hidden = ConstantThreshold(mantissa=rng.integers(1, 40, 8).astype(np.int32), n_max=20)
    decoder = networks.dense_layer("decoder.0", rng, 5, hidden, 8, bias=True)
    readout = networks.dense_layer("readout", rng, 8, Readout(), 36)
    return Network(input=plain.input, layers=(first, second, latents, decoder, readout), beta=1.0)


def uneven_network(seed=1):
    """A bias of its own for every neuron of a convolution."""
    network = conv_network(seed)
    first = network.layers[0]
    rng = np.random.default_rng(seed)
    bias = Bias(mantissa=rng.integers(-90, 90, first.neurons).astype(np.int16), exponent=1)
    return replace(network, layers=(replace(first, bias=bias), *network.layers[1:]))


@pytest.mark.parametrize("schedule", ["graded", "unary"])
@pytest.mark.parametrize("make", [networks.random_network, dense_network, conv_network, uneven_network])
@pytest.mark.parametrize("name", IN_PROCESS)
def test_backend_equals_reference(name, make, schedule):
    network = make(3)
    messages = random_messages(network, 40, 0)
    verdict = run_backend(backend(name), network, messages, seed=11, schedule=schedule, steps=STEPS)
    assert verdict.status == "equal", verdict
    assert verdict.comparison.samples == 40
    assert verdict.comparison.compared >= 40 * sum(layer.neurons for layer in network.layers)


@pytest.mark.parametrize("schedule", ["graded", "unary"])
def test_sums_that_need_double_precision(schedule, monkeypatch):
    monkeypatch.setattr(snntorch_files, "exact_dtype", lambda layers, high: torch.float64)
    network = conv_network()
    messages = random_messages(network, 10, 0)
    verdict = run_backend(backend("snntorch"), network, messages, seed=1, schedule=schedule, steps=STEPS)
    assert verdict.status == "equal", verdict


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_largest_count_below_the_steps(name):
    network = dense_network()
    layers = tuple(
        replace(layer, neuron=replace(layer.neuron, n_max=2)) if isinstance(layer.neuron, ConstantThreshold) else layer
        for layer in network.layers
    )
    network = replace(network, layers=layers)
    messages = random_messages(network, 20, 0)
    verdict = run_backend(backend(name), network, messages, seed=1, schedule="unary", steps=8)
    assert verdict.status == "equal", verdict


@settings(max_examples=15, deadline=None)
@given(
    shape=st.fixed_dictionaries(
        {
            "seed": st.integers(0, 2**32),
            "hidden": st.lists(st.integers(1, 6), max_size=2),
            "bits": st.sampled_from([2, 4, 8]),
            "signed": st.booleans(),
            "bias": st.booleans(),
        }
    ),
    schedule=st.sampled_from(["graded", "unary"]),
    steps=st.integers(1, 9),
    run_seed=st.integers(0, 2**64 - 1),
)
def test_random_networks(shape, schedule, steps, run_seed):
    network = networks.random_network(**shape)
    messages = random_messages(network, 5, shape["seed"])
    for name in ("nir", "snntorch"):
        verdict = run_backend(backend(name), network, messages, seed=run_seed, schedule=schedule, steps=steps)
        assert verdict.status == "equal", verdict


def test_weights_and_thresholds_flipped_by_one():
    """A weight or a threshold mantissa off by one is reported in its layer, in every backend."""
    network = dense_network()
    messages = random_messages(network, 200, 0)
    for place, name in ((0, "hidden0"), (1, "hidden1"), (2, "latents"), (3, "readout")):
        layer = network.layers[place]
        weight = layer.synapse.weight.copy()
        weight[0, 0] += 1 if weight[0, 0] < 7 else -1
        changed = [replace(layer, synapse=replace(layer.synapse, weight=weight))]
        if isinstance(layer.neuron, ConstantThreshold):
            mantissa = layer.neuron.mantissa.copy()
            mantissa[0] += 1
            changed.append(replace(layer, neuron=replace(layer.neuron, mantissa=mantissa)))
        for other in changed:
            layers = (*network.layers[:place], other, *network.layers[place + 1 :])
            mutant = replace(network, layers=layers)
            for tested in IN_PROCESS:
                broken = replace(
                    backend(tested),
                    prepare=lambda _, folder, tested=tested, mutant=mutant, **how: backend(tested).prepare(
                        mutant, folder, **how
                    ),
                )
                verdict = run_backend(broken, network, messages, seed=1, schedule="graded", steps=1)
                assert verdict.status == "different"
                assert verdict.comparison.first.layer == name
                assert verdict.comparison.first.neuron == 0


def mutated_nir(mutate):
    """Return the NIR backend with a change of the graph that was read."""

    def prepare(network, folder, **how):
        runner = backend("nir").prepare(network, folder, **how)
        mutate(runner.encoder)
        return runner

    return replace(backend("nir"), prepare=prepare)


def first_difference(broken, schedule, seed=1):
    network = dense_network()
    messages = random_messages(network, 300, 0)
    verdict = run_backend(broken, network, messages, seed=seed, schedule=schedule, steps=12)
    assert verdict.status == "different"
    return verdict.comparison.first


@pytest.mark.parametrize("schedule", ["graded", "unary"])
def test_strict_comparison_is_reported(schedule):
    """> for >=: thresholds half a unit higher."""

    def mutate(graph):
        for name, node in graph.nodes.items():
            if isinstance(node, nir.Threshold) and name.startswith("n02") and "threshold" in name:
                node.threshold = node.threshold + 0.5

    first = first_difference(mutated_nir(mutate), schedule)
    assert first.layer == "hidden1"
    assert first.quantity == ("spike" if schedule == "unary" else "count")
    assert first.got == first.expected - 1


def test_threshold_one_unit_higher_is_reported():
    def mutate(graph):
        for name, node in graph.nodes.items():
            if "n01" in name and "threshold" in name:
                node.threshold = node.threshold + 1

    assert first_difference(mutated_nir(mutate), "unary").layer == "hidden0"


def test_missing_reset_is_reported():
    """Without the feedback a neuron above its threshold fires in every step."""

    def mutate(graph):
        graph.nodes["n02_hidden1_7_reset"].scale = 0 * graph.nodes["n02_hidden1_7_reset"].scale

    first = first_difference(mutated_nir(mutate), "unary")
    assert (first.layer, first.quantity) == ("hidden1", "spike")
    assert first.step > 0


def test_hard_reset_is_reported(monkeypatch):
    """A reset to zero loses what was above the threshold."""
    original = SpikingLayer.__init__

    def hard(self, layer):
        original(self, layer)
        if self.spike is not None:
            self.spike.state_function = self.spike._base_zero

    monkeypatch.setattr(SpikingLayer, "__init__", hard)
    first = first_difference(backend("snntorch"), "unary")
    assert (first.layer, first.quantity) == ("hidden0", "spike")
    assert first.step > 0
    assert (first.expected, first.got) == (1, 0)


@pytest.mark.parametrize("name", ["nir", "snntorch"])
def test_one_draw_is_reported(name, monkeypatch):
    """The first threshold of one neuron that would fire, out of its reach."""
    network = networks.random_network(3)
    messages = random_messages(network, 250, 0)
    counts = expected(network, messages, seed=1, first_sample=0, schedule="graded", steps=1)["latents"]["count"]
    sample, neuron = np.argwhere(counts > 0)[50]
    original = exponential.thresholds

    def one_wrong(word, fraction):
        theta = original(word, fraction)
        if len(theta) == counts.size:  # the first draw of all neurons
            theta[sample * counts.shape[1] + neuron] += 2**23
        return theta

    def prepare(network, folder, **how):
        run = backend(name).prepare(network, folder, **how)

        def broken(*args, **options):
            with monkeypatch.context() as patch:
                patch.setattr(exponential, "thresholds", one_wrong)
                return run(*args, **options)

        return broken

    broken = replace(backend(name), prepare=prepare)
    verdict = run_backend(broken, network, messages, seed=1, schedule="graded", steps=1)
    first = verdict.comparison.first
    assert (first.layer, first.quantity) == ("latents", "count")
    assert (first.sample, first.neuron) == (sample, neuron)
    assert (first.expected, first.got) == (counts[sample, neuron], 0)


@pytest.mark.parametrize(
    ("target", "schedule"),
    [(name, how) for name in WRITTEN for how in target(name).schedules],
)
def test_files_written_twice_are_identical(target, schedule, tmp_path):
    network = networks.random_network(1) if target == "lava-stock" else conv_network()
    first = export(network, target, tmp_path / "a", schedule=schedule, steps=STEPS)
    second = export(network, target, tmp_path / "b", schedule=schedule, steps=STEPS)
    assert first.sha256 == second.sha256
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) >= 4
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("target", EXPORTED)
def test_export_reads_back_in_a_fresh_process(target, tmp_path):
    network = conv_network()
    export(network, target, tmp_path / "export ü", schedule="unary", steps=STEPS)
    command = [sys.executable, "-m", "spiking_pvae", "verify", str(tmp_path / "export ü"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (backend_result,) = json.loads(done.stdout)["backends"]
    assert backend_result["status"] == "equal"
    assert backend_result["samples"] == 16


def edits(folder):
    """Yield damaged copies of an export, each with what its refusal has to say."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name == "__init__.py":
            continue
        for how in ("truncated", "edited", "foreign", "missing"):
            copy = folder.parent / f"{how}-{path.name}"
            shutil.copytree(folder, copy)
            target, data = copy / path.relative_to(folder), path.read_bytes()
            match how:
                case "truncated":
                    target.write_bytes(data[: len(data) // 2])
                case "edited":
                    middle = len(data) // 2
                    target.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
                case "foreign":
                    target.write_bytes(b"something else")
                case "missing":
                    target.unlink()
            yield copy, path.name


@pytest.mark.parametrize("target", WRITTEN)
def test_damaged_exports_are_refused(target, tmp_path):
    hidden = () if target == "lava-stock" else (4,)
    export(networks.random_network(1, hidden=hidden), target, tmp_path / "export")
    for copy, name in edits(tmp_path / "export"):
        with pytest.raises((DamagedFileError, InputError), match=name):
            verify_export(copy)


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_a_file_that_is_no_nir_is_refused(data, tmp_path):
    (tmp_path / "x.nir").write_bytes(data)
    with pytest.raises(DamagedFileError, match="NIR"):
        nir_files.read_graph(tmp_path / "x.nir")


def test_manifest_says_what_it_is(tmp_path):
    network = networks.random_network(1, hidden=(4,))
    written = export(network, "nir", tmp_path / "export")
    manifest = read_manifest(tmp_path / "export")
    assert manifest == written.manifest
    assert manifest.exact
    assert manifest.layers == ("hidden0", "latents", "readout")
    tree = json.loads((tmp_path / "export" / "manifest.json").read_text())
    assert tree["sha256"] == written.sha256
    assert tree["format"] == "spiking-pvae export 1"
    with pytest.raises(InputError, match="exists"):
        export(network, "nir", tmp_path / "export")
    assert export(network, "nir", tmp_path / "export", force=True).sha256 == written.sha256
    save_network(network, tmp_path / "network")
    with pytest.raises(InputError, match="something else"):
        export(network, "nir", tmp_path / "network", force=True)


def test_golden_traces_are_the_reference(tmp_path):
    network = networks.random_network(1, hidden=(4,))
    export(network, "nir", tmp_path / "export", seed=5)
    from spiking_pvae.deploy.exporters.golden import read_golden

    golden = read_golden(tmp_path / "export", ("hidden0", "latents", "readout"))
    again = expected(network, golden.messages, seed=5, first_sample=0, schedule="graded", steps=1)
    assert compare(again, golden.traces).mismatches == 0
    assert golden.messages.min() < -100
    assert golden.messages.max() > 100


def test_too_many_thresholds_are_refused_by_name(tmp_path):
    network = networks.random_network(1, side=16, hidden=(4,))
    hidden = network.layers[0]
    neuron = ConstantThreshold(mantissa=np.ones(4, np.int32), n_max=2**20)
    network = replace(network, layers=(replace(hidden, neuron=neuron), *network.layers[1:]))
    with pytest.raises(LimitError, match=r"'hidden0'.*Threshold nodes"):
        export(network, "nir", tmp_path / "export")
    assert not (tmp_path / "export").exists()
    export(network, "nir", tmp_path / "export", schedule="unary", steps=3)
    verdict = run_backend(backend("nir"), network, random_messages(network, 3, 0), seed=0, schedule="graded", steps=1)
    assert verdict.status == "unsupported"
    assert "hidden0" in verdict.reason


def test_missing_backend_is_missing():
    network = networks.random_network(1)
    absent = replace(BACKENDS[1], version=lambda: None)
    (verdict,) = verify(network, random_messages(network, 2, 0), backends=(absent,))
    assert (verdict.status, verdict.version) == ("missing", None)
    assert "pip install" in verdict.reason


def test_latents_beside_an_export(tmp_path):
    neuron = networks.random_network(1).latent.neuron
    poisson.write_latents(neuron, tmp_path)
    again = poisson.read_latents(tmp_path)
    accumulators = np.arange(-3000, 3000).reshape(-1, 6)
    assert (again.charge(accumulators) == neuron.charge(accumulators)).all()


@pytest.mark.parametrize(
    "options",
    [
        ["--backends", "none"],
        ["--require", "none"],
        ["--samples", "x"],
        ["--samples", "0"],
        ["--samples", "-3"],
        ["--backends", "nir", "--schedules", "streaming"],
        ["--require", "nir", "--schedules", "streaming"],
    ],
)
def test_bad_usage(options, tmp_path, capsys):
    from spiking_pvae.cli.main import main

    save_network(networks.random_network(1), tmp_path / "network")
    assert main(["verify", str(tmp_path / "network"), *options]) == 2
    assert capsys.readouterr().out == ""


def test_verify_command(tmp_path, capsys, monkeypatch):
    from spiking_pvae.cli.main import main
    from spiking_pvae.deploy import backends

    save_network(networks.random_network(1, hidden=(5,)), tmp_path / "network")
    command = ["verify", str(tmp_path / "network"), "--samples", "7", "--json", "--backends", *IN_PROCESS]
    assert main([*command, "--require", *IN_PROCESS]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [entry["status"] for entry in result["backends"]] == ["equal"] * sum(
        len(backend(name).schedules) for name in IN_PROCESS
    )
    assert result["schedules"]["nir"] == ["graded", "unary"]
    absent = tuple(
        replace(entry, version=lambda: None) if entry.name == "snntorch" else entry for entry in backends.BACKENDS
    )
    monkeypatch.setattr(backends, "BACKENDS", absent)
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["backends"][-1]["status"] == "missing"
    assert main([*command, "--require", "snntorch"]) == 1
    capsys.readouterr()
    monkeypatch.setattr(SpikingLayer, "graded", lambda self, messages: (self.bias, self.bias))
    monkeypatch.setattr(backends, "BACKENDS", BACKENDS)
    wrong = replace(
        backend("nir"), prepare=lambda network, folder, **how: lambda messages, **run: zeros(network, messages)
    )
    monkeypatch.setattr(backends, "BACKENDS", (wrong,))
    assert main(["verify", str(tmp_path / "network"), "--samples", "7", "--json"]) == 1
    (first, _) = json.loads(capsys.readouterr().out)["backends"]
    assert first["status"] == "different"
    assert first["first_difference"]["layer"] == "hidden0"


def fits_only(*schedules):
    """Return the snnTorch backend, whose form holds the network in these schedules."""
    whole = backend("snntorch")

    def prepare(network, folder, *, schedule, steps):
        if schedule not in schedules:
            raise UnsupportedError("The network", nearest="another one")
        return whole.prepare(network, folder, schedule=schedule, steps=steps)

    return replace(whole, prepare=prepare)


@pytest.mark.parametrize(
    ("other", "options", "unmet"),
    [
        (fits_only("unary"), ["--backends", "reference", "--require", "snntorch"], []),
        (fits_only(), ["--backends", "reference", "--require", "snntorch"], ["snntorch"]),
        (fits_only(), ["--require", "all"], []),
        (
            replace(fits_only(), version=lambda: None),
            ["--backends", "reference", "--require", "snntorch"],
            ["snntorch"],
        ),
        (replace(fits_only(), version=lambda: None), ["--require", "all"], ["snntorch"]),
    ],
    ids=["one schedule", "no schedule", "no schedule of all", "missing", "missing of all"],
)
def test_what_a_requirement_asks(other, options, unmet, tmp_path, capsys, monkeypatch):
    from spiking_pvae.cli.main import main
    from spiking_pvae.deploy import backends

    monkeypatch.setattr(backends, "BACKENDS", (backend("reference"), other))
    save_network(networks.random_network(1), tmp_path / "network")
    assert main(["verify", str(tmp_path / "network"), "--samples", "3", "--json", *options]) == bool(unmet)
    result = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in result["backends"]} == {"reference", "snntorch"}
    assert result["unmet"] == unmet


def test_nothing_compared_is_not_passed(tmp_path, capsys, monkeypatch):
    from spiking_pvae.cli.main import main
    from spiking_pvae.deploy import backends

    monkeypatch.setattr(backends, "BACKENDS", (fits_only(),))
    save_network(networks.random_network(1), tmp_path / "network")
    assert main(["verify", str(tmp_path / "network"), "--samples", "3", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["passed"]


@pytest.mark.parametrize("name", ["netx", "netx-cuba"])
def test_a_package_for_writing_is_missing_like_a_backend(name, monkeypatch):
    from spiking_pvae.deploy import backends

    monkeypatch.setattr(backends, "find_spec", lambda module: None if module == "h5py" else True)
    (verdict,) = verify(
        networks.random_network(1),
        random_messages(networks.random_network(1), 2, 0),
        backends=(replace(backend(name), version=lambda: "1"),),
    )
    assert (verdict.status, verdict.reason) == ("missing", INSTALL)


def zeros(network, messages):
    return {layer.name: {"accumulator": np.zeros((len(messages), layer.neurons), np.int64)} for layer in network.layers}
