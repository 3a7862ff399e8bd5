"""Spike rasters through integrate-and-fire layers: the kernels against numpy, numpy against big integers."""

from dataclasses import replace
from itertools import pairwise

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.ir import Bias, ConstantThreshold, Dense, Layer
from spiking_pvae.deploy.kernels import dense
from spiking_pvae.deploy.raster import RasterNetwork, constant_step_by_step, step_by_step
from spiking_pvae.errors import InputError, LimitError, UnsupportedError


def spiking_layer(rng, inputs, size, *, exponent=0, bias=None, name="layer"):
    return Layer(
        name=name,
        shape=(size,),
        synapse=Dense(weight=rng.integers(-127, 128, (size, inputs)).astype(np.int8), exponent=exponent, bits=8),
        bias=None if bias is None else Bias(mantissa=rng.integers(-4096, 4096, size).astype(np.int16), exponent=bias),
        neuron=ConstantThreshold(mantissa=rng.integers(1, 60, size).astype(np.int32), n_max=1),
        scale=np.ones(size),
    )


def assert_same(layers, raster, threads=1, bias_every_step=False):
    network = RasterNetwork(layers, threads=threads, bias_every_step=bias_every_step)
    equal_or_refused(lambda: network(raster), lambda: step_by_step(layers, raster, bias_every_step=bias_every_step))


def equal_or_refused(ours, reference):
    try:
        expected = reference()
    except LimitError:
        with pytest.raises(LimitError):
            ours()
        return
    for output, (spikes, membrane) in zip(ours(), expected, strict=True):
        assert (output.spikes() == spikes).all()
        assert (output.counts == spikes.sum(1)).all()
        assert (output.membrane == membrane).all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 140), min_size=2, max_size=4),
    exponents=st.lists(st.integers(0, 8), min_size=3, max_size=3),
    bias=st.sampled_from([None, 0, 3, 9]),
    samples=st.integers(1, 5),
    steps=st.integers(1, 20),
    density=st.sampled_from([0.0, 0.02, 0.2, 0.6, 1.0]),
    threads=st.integers(1, 3),
    instruction=st.booleans(),
    every=st.booleans(),
)
def test_kernels_equal_the_steps(seed, sizes, exponents, bias, samples, steps, density, threads, instruction, every):
    rng = np.random.default_rng(seed)
    pairs = zip(sizes, sizes[1:], exponents, strict=False)
    layers = [spiking_layer(rng, inputs, size, exponent=shift, bias=bias) for inputs, size, shift in pairs]
    raster = rng.random((samples, steps, sizes[0])) < density
    with pytest.MonkeyPatch.context() as patch:
        if not instruction:
            patch.setattr(dense, "has_dot_product", lambda: False)
        assert_same(layers, raster, threads, every)
        assert_same(layers, raster.astype(np.uint8) * 7, threads, every)


@pytest.mark.parametrize("active", [255, 256, 257, 512, 513, 1000])
@pytest.mark.parametrize("sign", [-1, 1])
def test_sixteen_bit_sums_are_emptied_in_time(monkeypatch, active, sign):
    """The largest weights of one sign, from as many inputs as make 16-bit sums full, full by one, and overfull."""
    monkeypatch.setattr(dense, "has_dot_product", lambda: False)
    layer = spiking_layer(np.random.default_rng(0), 1000, 70)
    weight = np.full((70, 1000), 127 * sign, np.int8)
    weight[3:6] *= -1
    synapse = Dense(weight=weight, exponent=0, bits=8)
    layer = Layer(name="full", shape=(70,), synapse=synapse, bias=None, neuron=layer.neuron, scale=layer.scale)
    raster = np.zeros((2, 3, 1000), bool)
    raster[:, 1, :active] = True
    assert_same([layer], raster)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 140), min_size=2, max_size=3),
    exponent=st.integers(0, 9),
    bias=st.sampled_from([None, 0, 3, 9, 11]),
    scale=st.sampled_from([1, 127, 20_000]),
    samples=st.integers(1, 5),
    steps=st.integers(1, 20),
    threads=st.integers(1, 2),
    every=st.booleans(),
)
def test_constant_input_equals_the_steps(seed, sizes, exponent, bias, scale, samples, steps, threads, every):
    rng = np.random.default_rng(seed)
    layers = [spiking_layer(rng, *pair, exponent=exponent, bias=bias) for pair in pairwise(sizes)]
    messages = rng.integers(-scale, scale + 1, (samples, sizes[0]))
    network = RasterNetwork(layers, threads=threads, bias_every_step=every)
    equal_or_refused(
        lambda: network.constant(messages, steps),
        lambda: constant_step_by_step(layers, messages, steps, bias_every_step=every),
    )


def fired_by(start, charge, theta, step):
    """Spikes of a neuron by a step, at most one a step, of a constant charge, in Python integers."""
    if charge < 0:  # it fires from the first step on, until the first membrane is used up
        return max(0, min(step, start // (theta - charge)))
    if charge < theta:  # it never lags behind
        return max(0, min(step, (start + step * charge) // theta))
    first = max(1, -((start - theta) // charge))  # from then on it fires in every step
    return max(0, step - first + 1)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    exponent=st.integers(0, 5),
    bias=st.sampled_from([None, 0, 6, 9]),
    scale=st.sampled_from([3, 30, 127]),
    steps=st.integers(1, 70),
    every=st.booleans(),
)
def test_constant_input_has_a_closed_form(seed, exponent, bias, scale, steps, every):
    rng = np.random.default_rng(seed)
    layer = spiking_layer(rng, 6, 9, exponent=exponent, bias=bias)
    messages = rng.integers(-scale, scale + 1, (3, 6)) * rng.integers(0, 2, (3, 1))
    network, expected, reached = RasterNetwork([layer], bias_every_step=every), {}, []
    for sample, neuron in np.ndindex(3, 9):
        products = (int(w) * int(x) for w, x in zip(layer.synapse.weight[neuron], messages[sample], strict=True))
        given_bias = 0 if bias is None else int(layer.bias.mantissa[neuron]) * 2**bias
        charge = sum(products) * 2**exponent + given_bias * every
        start, theta = given_bias * (not every), int(layer.neuron.mantissa[neuron]) * 64
        by_step = [fired_by(start, charge, theta, step) for step in range(steps + 1)]
        reached += [start + step * charge - theta * by_step[step - 1] for step in range(1, steps + 1)]
        expected[sample, neuron] = by_step, start + steps * charge - theta * by_step[-1]
        assert start or by_step[-1] == max(0, min(steps, steps * charge // theta))
    if not -(2**23) <= min(reached) <= max(reached) < 2**23:
        with pytest.raises(LimitError):
            network.constant(messages, steps)
        return
    (output,) = network.constant(messages, steps)
    spikes = output.spikes()
    for place, (by_step, membrane) in expected.items():
        assert np.cumsum(spikes[place[0], :, place[1]]).tolist() == by_step[1:]
        assert output.counts[place] == by_step[-1]
        assert output.membrane[place] == membrane


def test_steps_by_big_integers():
    rng = np.random.default_rng(3)
    layers = [spiking_layer(rng, 9, 5, exponent=2, bias=1), spiking_layer(rng, 5, 4, exponent=6)]
    raster = rng.random((2, 8, 9)) < 0.5
    outputs = step_by_step(layers, raster)
    for sample in range(2):
        membranes = [[int(b) for b in layers[0].bias.value], [0] * 4]
        for step in range(8):
            spikes = [int(x) for x in raster[sample, step]]
            for place, layer in enumerate(layers):
                fired = []
                for n in range(layer.neurons):
                    products = (int(w) * x for w, x in zip(layer.synapse.weight[n], spikes, strict=True))
                    membranes[place][n] += sum(products) * 2**layer.synapse.exponent
                    theta = int(layer.neuron.mantissa[n]) * 64
                    fired.append(int(membranes[place][n] >= theta))
                    membranes[place][n] -= theta * fired[-1]
                assert outputs[place][0][sample, step].tolist() == fired
                spikes = fired
        for place in range(2):
            assert outputs[place][1][sample].tolist() == membranes[place]


@pytest.mark.parametrize(("message", "steps"), [(-300, 40), (300, 40), (-300, 10**6), (300, 10**6), (400, 1)])
def test_constant_input_that_overflows(message, steps):
    """In some step, in more steps than 32 bits hold, in the first step; many steps of less than theta are fine."""
    layer = spiking_layer(np.random.default_rng(0), 200, 3)
    synapse = Dense(weight=np.full((3, 200), 127, np.int8), exponent=0, bits=8)
    layer = replace(layer, name="deep", synapse=synapse)
    network = RasterNetwork([layer])
    messages = np.full((2, 200), message)
    for run in (network.constant, lambda *given: constant_step_by_step([layer], *given)):
        if run == network.constant or steps < 100:
            with pytest.raises(LimitError, match=r"'deep'.*24-bit membrane"):
                run(messages, steps)
    slow = replace(layer, neuron=ConstantThreshold(mantissa=np.full(3, 100_000, np.int32), n_max=1))
    messages[:] = 1
    (output,) = RasterNetwork([slow]).constant(messages, 10**5)
    assert (output.counts == 10**5 * 127 * 200 // 6_400_000).all()


@pytest.mark.parametrize(("exponent", "steps"), [(5, 40), (12, 100)])
def test_membrane_overflow_is_an_error(exponent, steps):
    """Found when it happens, and refused beforehand where 32 bits might not hold it."""
    layer = spiking_layer(np.random.default_rng(0), 200, 3, exponent=exponent)
    weight = np.full((3, 200), -127, np.int8)
    synapse = Dense(weight=weight, exponent=exponent, bits=8)
    layer = Layer(name="deep", shape=(3,), synapse=synapse, bias=None, neuron=layer.neuron, scale=layer.scale)
    raster = np.ones((2, steps, 200), bool)
    for run in (lambda: step_by_step([layer], raster), lambda: RasterNetwork([layer], threads=2)(raster)):
        with pytest.raises(LimitError, match=r"'deep'.*24-bit membrane"):
            run()


def test_too_many_steps_are_refused_by_the_layer_that_can_not_bear_them():
    """The first layer could leave 24 bits in 40 steps, but not 32; the second one could leave 32."""
    rng = np.random.default_rng(0)
    first = spiking_layer(rng, 200, 200, exponent=5, name="first")
    second = spiking_layer(rng, 200, 3, exponent=14, name="second")
    with pytest.raises(LimitError, match=r"'second'.*24-bit membrane"):
        RasterNetwork([first, second])(np.zeros((1, 40, 200), bool))


def test_other_layers_and_shapes_are_refused_by_name():
    rng = np.random.default_rng(0)
    layer = spiking_layer(rng, 4, 3)
    several = networks.dense_layer("several", rng, 4, ConstantThreshold(mantissa=layer.neuron.mantissa, n_max=2), 3)
    with pytest.raises(UnsupportedError, match="'several'"):
        RasterNetwork([several])
    for raster in (np.zeros((1, 2, 5), bool), np.zeros((2, 4), bool), np.zeros((1, 2, 4)), np.zeros((0, 2, 4), bool)):
        with pytest.raises(InputError, match="raster"):
            RasterNetwork([layer])(raster)
    for messages in (np.zeros((1, 5), int), np.zeros((1, 2, 4), int), np.zeros((1, 4)), np.zeros((0, 4), int)):
        with pytest.raises(InputError, match="messages"):
            RasterNetwork([layer]).constant(messages, 3)
    with pytest.raises(InputError, match="steps"):
        RasterNetwork([layer]).constant(np.zeros((1, 4), int), 0)
    with pytest.raises(LimitError, match="24-bit graded payload"):
        RasterNetwork([layer]).constant(np.full((1, 4), 2**23), 1)
