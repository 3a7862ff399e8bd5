"""Spike rasters through integrate-and-fire layers: the kernels against numpy, numpy against big integers."""

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.ir import Bias, ConstantThreshold, Dense, Layer
from spiking_pvae.deploy.kernels import dense
from spiking_pvae.deploy.raster import RasterNetwork, step_by_step
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


def assert_same(layers, raster, threads=1):
    try:
        expected = step_by_step(layers, raster)
    except LimitError:
        with pytest.raises(LimitError):
            RasterNetwork(layers, threads=threads)(raster)
        return
    outputs = RasterNetwork(layers, threads=threads)(raster)
    for output, (spikes, membrane) in zip(outputs, expected, strict=True):
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
)
def test_kernels_equal_the_steps(seed, sizes, exponents, bias, samples, steps, density, threads, instruction):
    rng = np.random.default_rng(seed)
    pairs = zip(sizes, sizes[1:], exponents, strict=False)
    layers = [spiking_layer(rng, inputs, size, exponent=shift, bias=bias) for inputs, size, shift in pairs]
    raster = rng.random((samples, steps, sizes[0])) < density
    with pytest.MonkeyPatch.context() as patch:
        if not instruction:
            patch.setattr(dense, "has_dot_product", lambda: False)
        assert_same(layers, raster, threads)
        assert_same(layers, raster.astype(np.uint8) * 7, threads)


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
