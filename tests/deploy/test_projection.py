"""Weighted sums and fan-out of convolutions against loops over single synapses, and against torch."""

import numpy as np
import oracle
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.ir import Conv2d
from spiking_pvae.deploy.projection import project
from spiking_pvae.energy import fan_out


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 3))
    inputs, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    sides = [draw(st.integers(max(1, dilation[a] * (kernel[a] - 1) + 1 - 2 * padding[a]), 7)) for a in (0, 1)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    weight = rng.integers(-127, 128, (outputs, inputs // groups, *kernel)) * (
        rng.random((outputs, inputs // groups, *kernel)) < 0.7
    )
    return Conv2d(
        weight=weight.astype(np.int8),
        exponent=draw(st.integers(0, 2)),
        bits=8,
        input_shape=(inputs, *sides),
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@settings(max_examples=60)
@given(convolutions(), st.integers(0, 2**32))
def test_convolution_synapse_by_synapse(conv, seed):
    messages = np.random.default_rng(seed).integers(-127, 128, (2, conv.inputs))
    sums = np.zeros((2, conv.outputs), np.int64)
    stored, present = np.zeros(conv.inputs, int), np.zeros(conv.inputs, int)
    for source, target, weight in oracle.synapses(conv):
        sums[:, target] += weight * 2**conv.exponent * messages[:, source]
        present[source] += 1
        stored[source] += weight != 0
    assert (project(conv, messages) == sums).all()
    assert (fan_out(conv) == stored).all()
    assert (fan_out(conv, skip_zero_weights=False) == present).all()
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(messages.reshape(2, *conv.input_shape)).double(),
        torch.from_numpy(conv.weight).double(),
        None,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
    )
    assert (sums == 2**conv.exponent * expected.reshape(2, -1).numpy()).all()
