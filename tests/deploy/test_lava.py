"""Lava's CPU simulator: our processes against the reference, and what is left when it fails. Needs Lava."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import networks
import numpy as np
import pytest

from spiking_pvae.deploy import exponential, hosts, philox
from spiking_pvae.deploy.backends import chosen
from spiking_pvae.deploy.compare import compare
from spiking_pvae.deploy.expected import expected
from spiking_pvae.deploy.export import export, random_messages
from spiking_pvae.deploy.exporters.cuba import cuba, run_cuba
from spiking_pvae.deploy.exporters.golden import read_golden
from spiking_pvae.deploy.exporters.lava_export import RUNTIME, unrolled
from spiking_pvae.deploy.exporters.sdnn import SdnnHalf, SdnnLayer, differences, run_sdnn, sdnn
from spiking_pvae.deploy.exporters.segments import segments
from spiking_pvae.deploy.hosts import LAVA
from spiking_pvae.deploy.ir import Bias, ConstantThreshold
from spiking_pvae.deploy.loaders import LOADERS
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.verify import run_backend, verify_export
from spiking_pvae.errors import BackendError, DamagedFileError, InputError, LimitError

REQUIRED = os.environ.get("SPIKING_PVAE_REQUIRE_BACKENDS") == "1"
HERE = LAVA.version("lava-nc")


def needs_lava(test):
    """Mark a test; where backends are required it fails without Lava and is not skipped."""
    missing = pytest.mark.skipif(HERE is None and not REQUIRED, reason="Lava is not installed (make backends)")
    return pytest.mark.slow(pytest.mark.backend(missing(test)))


def lava():
    return chosen(("lava",))[0]


def processes(file, marker):
    """Return the living processes of whose /proc file the marker is a part."""
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{file}"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.fixture
def nothing_left(monkeypatch, tmp_path):
    """No process and no shared memory is left behind."""
    monkeypatch.setenv("SPIKING_PVAE_TEST", str(tmp_path))
    before = set(os.listdir("/dev/shm"))
    yield
    assert processes("environ", str(tmp_path)) == []
    # Other runs may make shared memory meanwhile; what nobody maps is left behind.
    deadline = time.monotonic() + 60
    while leaked := [
        name for name in set(os.listdir("/dev/shm")) - before if not processes("maps", f"/dev/shm/{name}")
    ]:
        assert time.monotonic() < deadline, leaked
        time.sleep(0.2)


def boundary_network(seed=3):
    """Small weights and thresholds: many accumulators are exact multiples of their threshold."""
    network = networks.random_network(seed, hidden=(9,), bits=4, bias=True)
    hidden = network.layers[0]
    neuron = ConstantThreshold(mantissa=np.random.default_rng(0).integers(1, 4, 9).astype(np.int32), n_max=40)
    return replace(network, layers=(replace(hidden, neuron=neuron), *network.layers[1:]))


@needs_lava
@pytest.mark.parametrize("schedule", ["graded", "unary"])
@pytest.mark.parametrize("name", ["random", "boundary", "convolution"])
def test_lava_equals_reference(name, schedule, nothing_left):
    from test_exports import conv_network

    make = {"random": networks.random_network, "boundary": boundary_network, "convolution": conv_network}[name]
    network = make(5)
    verdict = run_backend(lava(), network, random_messages(network, 25, 0), seed=2**63 + 7, schedule=schedule, steps=6)
    assert verdict.status == "equal", verdict
    assert verdict.comparison.samples == 20
    assert verdict.version == HERE


MUTATIONS = (
    (">", "graded", "self.v[alive] >= theta[alive]", "self.v[alive] > theta[alive]", "hidden0"),
    ("hard", "unary", "self.v[alive] -= theta[alive].astype(np.int32)", "self.v[alive] = 0", "hidden0"),
    ("draw", "graded", 'self.plan["seed"], sample,', 'self.plan["seed"], sample + (sample == 3),', "latents"),
)


@needs_lava
@pytest.mark.parametrize(("name", "schedule", "old", "new", "layer"), MUTATIONS)
def test_mutations_of_the_programs(name, schedule, old, new, layer, tmp_path, nothing_left):
    """> for >=, hard for soft reset, and one draw: each is reported at its layer."""
    network = boundary_network()
    messages = random_messages(network, 200 if schedule == "graded" else 20, 0)
    export(network, "lava", tmp_path / "export", messages=messages, schedule=schedule, steps=12)
    manifest, comparison = verify_export(tmp_path / "export")
    assert comparison.mismatches == 0

    program = tmp_path / "export" / "processes" / "spike_count.py"
    original = program.read_text()
    assert old in original
    program.write_text(original.replace(old, new))
    with pytest.raises(DamagedFileError, match=r"spike_count\.py"):
        verify_export(tmp_path / "export")
    golden = read_golden(tmp_path / "export", manifest.layers)
    got = LOADERS["lava"](tmp_path / "export", manifest)(golden.messages, seed=golden.seed, first_sample=0)
    first = compare(golden.traces, got).first
    assert first.layer == layer
    if name == "draw":
        assert first.sample == 3


def stock_network(seed=3):
    """Thresholds of one power of two a layer, with and without biases, and counts without a limit."""
    network = networks.random_network(seed, hidden=(9, 7), bits=4, bias=False)
    layers = list(network.layers)
    biases = (None, Bias(mantissa=np.array([-4096, 4095, 1, 0, -1, 600, -600], np.int16), exponent=1))
    # Divisions by 2^6, at once, and by 2^8, which takes two stages behind the bias.
    for place, mantissa in ((0, 1), (1, 8)):
        neuron = ConstantThreshold(mantissa=np.full(layers[place].neurons, mantissa, np.int32), n_max=2**23 - 1)
        synapse = replace(layers[place].synapse, exponent=place)
        layers[place] = replace(layers[place], neuron=neuron, synapse=synapse, bias=biases[place])
    bias = Bias(mantissa=np.arange(layers[2].neurons).astype(np.int16) - 3, exponent=3)
    layers[2] = replace(layers[2], bias=bias)
    return replace(network, layers=tuple(layers))


@needs_lava
def test_stock_processes_equal_the_reference(nothing_left):
    backend, network = chosen(("lava-stock",))[0], stock_network()
    messages = random_messages(network, 40, 0)
    verdict = run_backend(backend, network, messages, seed=4, schedule="graded", steps=1)
    assert verdict.status == "equal", verdict
    assert verdict.comparison.samples == 40
    counts = expected(network, messages, seed=4, first_sample=0, schedule="graded", steps=1)["hidden1"]["count"]
    assert len(np.unique(counts)) > 5
    # One weight and one threshold off are reported where they are.
    for place, name in ((0, "hidden0"), (1, "hidden1"), (2, "latents"), (3, "readout")):
        layers = list(network.layers)
        weight = layers[place].synapse.weight.copy()
        weight[0] -= np.sign(weight[0])
        layers[place] = replace(layers[place], synapse=replace(layers[place].synapse, weight=weight))
        if name == "hidden1":
            mantissa = np.full(7, 4, np.int32)
            layers[place] = replace(layers[place], neuron=replace(layers[place].neuron, mantissa=mantissa))
        mutant = replace(network, layers=tuple(layers))
        broken = replace(
            backend, prepare=lambda _, folder, mutant=mutant, **how: backend.prepare(mutant, folder, **how)
        )
        verdict = run_backend(broken, network, messages[:20], seed=4, schedule="graded", steps=1)
        assert verdict.status == "different"
        assert verdict.comparison.first.layer == name


def test_stock_processes_refuse_by_name(tmp_path):
    network = stock_network()
    hidden = network.layers[1]
    uneven = np.array([2] * 6 + [3], np.int32)
    faults = {
        r"'hidden1'.*192 exceeds one power of two": {"neuron": replace(hidden.neuron, mantissa=uneven)},
        r"'hidden1'.*largest count 9": {"neuron": replace(hidden.neuron, n_max=9)},
    }
    for match, fault in faults.items():
        layers = (network.layers[0], replace(hidden, **fault), *network.layers[2:])
        with pytest.raises(LimitError, match=match):
            export(replace(network, layers=layers), "lava-stock", tmp_path / "export")
    with pytest.raises(InputError, match="schedule of a lava-stock export"):
        export(network, "lava-stock", tmp_path / "export", schedule="unary")


def netx():
    return chosen(("netx",))[0]


def fitting_network(seed, **shape):
    """No state leaves 24 bits in the sigma-delta form."""
    return networks.random_network(seed, bits=4, bias=False, **shape)


@needs_lava
@pytest.mark.parametrize("name", ["linear", "hidden", "convolution"])
def test_netx_equals_its_model(name, nothing_left):
    from test_exports import conv_network

    make = {
        "linear": lambda: networks.random_network(5, side=6),
        "hidden": lambda: fitting_network(5, hidden=(9, 8)),
        "convolution": conv_network,
    }[name]
    network = make()
    verdict = run_backend(netx(), network, random_messages(network, 30, 0), seed=4, schedule="graded", steps=1)
    assert verdict.status == "equal", verdict
    assert verdict.comparison.samples == 30


@needs_lava
def test_a_weight_of_a_net_file_flipped_by_one(tmp_path, nothing_left):
    network = networks.random_network(5)
    export(network, "netx", tmp_path / "export")
    manifest, comparison = verify_export(tmp_path / "export")
    assert comparison.mismatches == 0
    with h5py.File(tmp_path / "export" / "encoder.net", "r+") as file:
        file["layer/0/weight"][2, 0] -= np.sign(file["layer/0/weight"][2, 0])
    with pytest.raises(DamagedFileError, match=r"encoder\.net"):
        verify_export(tmp_path / "export")
    golden = read_golden(tmp_path / "export", manifest.layers)
    got = LOADERS["netx"](tmp_path / "export", manifest)(golden.messages, seed=golden.seed, first_sample=0)
    first = compare(golden.traces, got).first
    assert (first.layer, first.quantity, first.neuron) == ("latents", "accumulator", 2)


@needs_lava
@pytest.mark.parametrize("name", ["linear", "hidden", "convolution"])
def test_hard_reset_files_equal_their_model(name, nothing_left):
    from test_exports import conv_network, dense_network

    network = {"linear": lambda: networks.random_network(5), "hidden": dense_network, "convolution": conv_network}[
        name
    ]()
    cuba_backend = chosen(("netx-cuba",))[0]
    messages = random_messages(network, 6, 0)
    verdict = run_backend(cuba_backend, network, messages, seed=4, schedule="streaming", steps=12)
    assert verdict.status == "equal", verdict
    assert verdict.comparison.samples == 6


@needs_lava
@pytest.mark.parametrize("part", ["weight", "neuron/vThMant", "bias"])
def test_a_hard_reset_file_off_by_one(part, tmp_path, nothing_left):
    network = spiking_network()
    messages = random_messages(network, 150, 0)
    manifest = export(network, "netx-cuba", tmp_path / "export", messages=messages, steps=12).manifest
    with h5py.File(tmp_path / "export" / "encoder.net", "r+") as file:
        values = file[f"layer/0/{part}"]
        values[(0,) * values.ndim] += 1
    with pytest.raises(DamagedFileError, match=r"encoder\.net"):
        verify_export(tmp_path / "export")
    golden = read_golden(tmp_path / "export", manifest.layers)
    got = LOADERS["netx-cuba"](tmp_path / "export", manifest)(golden.messages, seed=golden.seed, first_sample=0)
    first = compare(golden.traces, got).first
    # What the files show of an encoder is what its last layer adds up.
    assert (first.layer, first.quantity) == ("latents", "accumulator")


def spiking_network():
    """Every hidden neuron fires a few times in twelve steps, and every latent sees it."""
    network = networks.random_network(7, hidden=(6,), bits=4, signed=False, bias=False)
    hidden, latent, readout = network.layers
    neuron = ConstantThreshold(mantissa=np.full(6, 20, np.int32), n_max=200)
    hidden = replace(hidden, bias=Bias(mantissa=np.arange(-36, 36, 12).astype(np.int16), exponent=0))
    weight = np.abs(hidden.synapse.weight)
    hidden = replace(hidden, neuron=neuron, synapse=replace(hidden.synapse, weight=weight))
    return replace(network, layers=(hidden, latent, readout))


def cuba_by_hand(half, images, *, soft=False):
    """One image after the other in Python's integers, layers a step apart, with the membranes' limits."""
    sums = []
    for image in images:
        trains = [[int(np.sign(x)) * (abs(x) * t // half.steps - abs(x) * (t - 1) // half.steps) for x in image]
                  for t in range(1, half.steps + 1)]  # fmt: skip
        for layer in half.layers:
            membrane, fired = [0] * len(layer.weight), []
            for row in trains:
                spikes = []
                for i, weights in enumerate(layer.weight.tolist()):
                    v = (
                        membrane[i]
                        + 64 * sum(w * x for w, x in zip(weights, row, strict=True))
                        + 64 * int(layer.bias[i])
                    )
                    v = min(max(v, 1 - 2**23), 2**23 - 1)
                    spikes.append(int(v > 64 * layer.threshold))
                    membrane[i] = v if not spikes[-1] else v - 64 * (layer.threshold + 1) if soft else 0
                fired.append(spikes)
            trains = fired
        totals = np.array(trains).sum(0).tolist()
        sums.append([sum(w * n for w, n in zip(row, totals, strict=True)) for row in half.weight.tolist()])
    return (np.array(sums) + half.offset).tolist()


def test_model_of_the_hard_reset_form():
    """Images apart from each other, as resets make them; a soft reset would say something else."""
    for network in (spiking_network(), networks.random_network(2, hidden=(4, 3)), networks.random_network(1)):
        half = cuba(segments(network, "graded", 1)[0], 9)
        messages = random_messages(network, 5, 1)
        ours = run_cuba(half, messages)
        assert ours.tolist() == cuba_by_hand(half, messages.tolist())
    half = cuba(segments(spiking_network(), "graded", 1)[0], 9)
    messages = random_messages(spiking_network(), 5, 1)
    assert run_cuba(half, messages).tolist() != cuba_by_hand(half, messages.tolist(), soft=True)


def test_one_threshold_a_layer():
    """Equal thresholds leave the weights alone; others scale them to the largest common one with 8 bits."""
    (layer,) = cuba(segments(spiking_network(), "graded", 1)[0], 4).layers
    assert (layer.weight == spiking_network().layers[0].synapse.weight).all()
    assert layer.threshold == 20 * 64 - 1
    network = spiking_network()
    hidden = network.layers[0]
    mantissa = np.array([20, 40, 20, 20, 20, 20], np.int32)
    hidden = replace(hidden, neuron=replace(hidden.neuron, mantissa=mantissa))
    (layer,) = cuba(segments(replace(network, layers=(hidden, *network.layers[1:])), "graded", 1)[0], 4).layers
    ratio = (layer.threshold + 1) / (mantissa[:, None] * 64)
    assert np.abs(layer.weight - hidden.synapse.weight * ratio).max() <= 0.5
    assert np.abs(layer.weight).max() <= 127
    loud = replace(hidden, bias=replace(hidden.bias, mantissa=np.full(6, 4000, np.int16), exponent=8))
    with pytest.raises(LimitError, match=r"'hidden0'.*bias mantissa"):
        cuba(segments(replace(network, layers=(loud, *network.layers[1:])), "graded", 1)[0], 4)


def test_the_hard_reset_form_says_how_far_it_is(tmp_path):
    written = export(spiking_network(), "netx-cuba", tmp_path / "hidden", steps=16)
    assert not written.manifest.exact
    assert written.manifest.steps == 16
    assert written.manifest.difference["latent_rate_relative"] > 0
    linear = export(networks.random_network(5), "netx-cuba", tmp_path / "linear", steps=16)
    assert linear.manifest.difference == {"latent_rate_relative": 0, "latent_rate_largest": 0}


def test_netx_says_how_far_it_is_from_the_network(tmp_path):
    """Exact where only the latents fire; else measured."""
    linear = networks.random_network(5, bias=False)
    written = export(linear, "netx", tmp_path / "linear")
    assert written.manifest.difference == {"latent_rate_relative": 0, "latent_rate_largest": 0}
    assert not written.manifest.exact
    traces = read_golden(tmp_path / "linear", written.manifest.layers).traces
    own = expected(
        linear, read_golden(tmp_path / "linear", ()).messages, seed=0, first_sample=0, schedule="graded", steps=1
    )
    assert compare(own, traces).mismatches == 0
    hidden = fitting_network(5, hidden=(9,))
    assert export(hidden, "netx", tmp_path / "hidden").manifest.difference["latent_rate_relative"] > 0


def test_sigma_delta_form_of_shared_exponents():
    """A shift that weights, biases and thresholds share changes the unit and nothing else."""
    network = networks.random_network(5, bits=4, bias=False)
    latent = network.layers[0]
    shifted = replace(latent, synapse=replace(latent.synapse, exponent=3))
    plain = sdnn(segments(network, "graded", 1)[0])
    scaled = sdnn(segments(replace(network, layers=(shifted, network.layers[1])), "graded", 1)[0])
    assert scaled.scale == plain.scale / 8
    assert (scaled.layers[0].weight == plain.layers[0].weight).all()


def sigma_delta_by_hand(layers, offset, images):
    """The form step by step in Python's integers, each layer a step behind the one before."""
    sigma = [[0] * len(layer.weight) for layer in layers]
    act = [[0] * len(layer.weight) for layer in layers]
    wires = [[0] * layer.weight.shape[1] for layer in layers]
    last, outputs = [0] * len(images[0]), []
    for step in range(len(images) + len(layers)):
        image = images[min(step, len(images) - 1)]
        sent = [[a - b for a, b in zip(image, last, strict=True)]]
        last = image
        for place, layer in enumerate(layers):
            for i, row in enumerate(layer.weight.tolist()):
                sigma[place][i] += sum(w * x for w, x in zip(row, wires[place], strict=True))
            now = [max(0, s + 64 * int(b)) for s, b in zip(sigma[place], layer.bias, strict=True)]
            sent.append([(a - b) // 64 for a, b in zip(now, act[place], strict=True)])
            act[place] = now
        wires = sent[:-1]
        outputs.append([s + int(o) for s, o in zip(sigma[-1], offset, strict=True)])
    return outputs[len(layers) :]


def test_model_of_the_sigma_delta_form():
    for network in (fitting_network(5, hidden=(9, 8)), networks.random_network(2, hidden=(4,)), fitting_network(1)):
        half = sdnn(segments(network, "graded", 1)[0])
        messages = random_messages(network, 12, 1)
        ours = run_sdnn(half, differences(messages)) + half.offset
        assert ours.tolist() == sigma_delta_by_hand(half.layers, half.offset, messages.tolist())


def test_netx_refuses_what_it_can_not_hold(tmp_path):
    loud = SdnnLayer(name="loud", weight=np.full((1, 1024), 127), bias=np.zeros(1, np.int64))
    with pytest.raises(LimitError, match=r"'loud'.*24-bit membrane"):
        run_sdnn(SdnnHalf(layers=(loud,), scale=1.0, offset=loud.bias), np.full((1, 1024), 127))
    silent = fitting_network(3)
    latent = silent.layers[0]
    zero = replace(latent, synapse=replace(latent.synapse, weight=np.zeros_like(latent.synapse.weight)))
    with pytest.raises(LimitError, match=r"'latents'.*zero weights"):
        export(replace(silent, layers=(zero, silent.layers[1])), "netx", tmp_path / "export")
    with pytest.raises(InputError, match="schedule of a netx export"):
        export(silent, "netx", tmp_path / "export", schedule="unary")
    assert not (tmp_path / "export").exists()


def test_draws_of_the_lava_side():
    """Written apart from the package's own, and equal to them."""
    sys.path.insert(0, str(RUNTIME / "processes"))
    try:
        import draws
    finally:
        sys.path.pop(0)
    neuron = np.arange(57)
    for seed, sample, draw, fraction in ((0, 0, 0, 16), (2**64 - 1, 2**40 + 5, 3, 9), (12345, 77, 31, 12)):
        word = philox.uniform_words(seed, np.full(57, sample), neuron, draw)
        assert (draws.philox_word(seed, sample, neuron, draw) == word).all()
        assert (draws.threshold(seed, sample, neuron, draw, fraction) == exponential.thresholds(word, fraction)).all()


def test_unrolled_convolution():
    from test_exports import conv_network

    rng = np.random.default_rng(0)
    for layer in conv_network().layers[:2]:
        messages = rng.integers(-50, 50, (20, layer.synapse.inputs))
        assert (project(unrolled(layer).synapse, messages) == project(layer.synapse, messages)).all()


@needs_lava
@pytest.mark.parametrize("target", ["lava", "lava-stock", "netx", "netx-cuba"])
def test_exports_read_back_in_a_fresh_process(target, tmp_path, nothing_left):
    export(stock_network(), target, tmp_path / "export ü", messages=random_messages(stock_network(), 4, 0), steps=5)
    command = [sys.executable, "-m", "spiking_pvae", "verify", str(tmp_path / "export ü"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["backends"]
    assert (result["status"], result["samples"]) == ("equal", 4)


def test_the_package_never_imports_the_lava_side():
    program = "import spiking_pvae.deploy.verify, spiking_pvae.deploy.exporters.lava_files, sys; " + (
        "print([name for name in sys.modules if 'lava_runtime' in name or name.startswith('lava')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_interpreter_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(LAVA.variable, str(tmp_path / "nothing"))
    with pytest.raises(InputError, match=LAVA.variable):
        LAVA.interpreter()
    monkeypatch.setenv(LAVA.variable, sys.executable)
    assert LAVA.interpreter() == Path(sys.executable)
    assert LAVA.version("numpy") == f"numpy {np.__version__}"
    assert LAVA.version("no-such-distribution") is None


@pytest.mark.parametrize(
    ("mode", "program"), [(0o644, "#!/bin/sh\n"), (0o755, "no program"), (0o755, "#!/bin/sh\nexec sleep 60\n")]
)
def test_an_interpreter_that_does_not_run(mode, program, monkeypatch, tmp_path):
    named = tmp_path / "python"
    named.write_text(program)
    named.chmod(mode)
    monkeypatch.setenv(LAVA.variable, str(named))
    monkeypatch.setattr(hosts, "ANSWER_S", 0.2)
    with pytest.raises(InputError, match=LAVA.variable):
        LAVA.version("lava-nc")
    if "sleep" not in program:
        with pytest.raises(InputError, match=LAVA.variable):
            LAVA.run_program(tmp_path / "program.py", tmp_path, {})


@pytest.fixture
def plain_python(monkeypatch):
    monkeypatch.setenv(LAVA.variable, sys.executable)


BROOD = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(100)", "brood of " + sys.argv[1]])
"""


@pytest.mark.parametrize(("ending", "reason"), [("sys.exit(3)", "code 3"), ("time.sleep(100)", "more than")])
def test_failure_leaves_nothing(ending, reason, tmp_path, plain_python):
    """A program that fails or hangs, with children that hold its output open."""
    program = tmp_path / "program.py"
    program.write_text(f"{BROOD}\nprint('a last word', flush=True)\n{ending}\n")
    with pytest.raises(BackendError, match=reason) as caught:
        LAVA.run_program(program, tmp_path, {"x": 1}, time_limit_s=2)
    assert "a last word" in str(caught.value)
    assert processes("cmdline", f"brood of {tmp_path}") == []


def test_interrupt_leaves_nothing(tmp_path, plain_python):
    program, caller = tmp_path / "program.py", tmp_path / "caller.py"
    program.write_text(f"{BROOD}\ntime.sleep(100)\n")
    caller.write_text(
        # A shell's background jobs, and so this test in one, start with the interrupt ignored.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from pathlib import Path; from spiking_pvae.deploy.hosts import LAVA\n"
        "LAVA.run_program(Path(sys.argv[1]), Path(sys.argv[1]).parent, {'x': 1})"
    )
    process = subprocess.Popen(
        [sys.executable, str(caller), str(program)],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    deadline = time.monotonic() + 20
    while len(processes("cmdline", f"brood of {tmp_path}")) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(processes("cmdline", f"brood of {tmp_path}")) == 3
    process.send_signal(2)
    _, error = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in error
    assert processes("cmdline", f"brood of {tmp_path}") == []


@needs_lava
def test_a_failing_lava_process_ends_at_once(tmp_path, nothing_left):
    """What Lava would swallow: the reason is shown and nothing hangs."""
    network = networks.random_network(1)
    export(network, "lava", tmp_path / "export")
    program = tmp_path / "export" / "processes" / "spike_count.py"
    program.write_text(program.read_text().replace("arriving = self.a_in.recv()", "arriving = self.a_in.nothing()"))
    broken = replace(
        lava(),
        prepare=lambda network, folder, **how: (
            lambda messages, **options: LAVA.run_program(
                tmp_path / "export" / "run_counts.py",
                tmp_path / "export",
                {
                    "messages": messages,
                    "seed": np.uint64(0),
                    "first_sample": 0,
                    "unary": False,
                    "steps": 1,
                    "incoming": 127,
                },
            )
        ),
    )
    verdict = run_backend(broken, network, random_messages(network, 3, 0), seed=0, schedule="graded", steps=1)
    assert verdict.status == "failed"
    assert "nothing" in verdict.reason
