"""Known answers of the Random123 distribution, and independence of order."""

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiking_pvae.deploy.philox import philox4x32, uniform_words

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    words = philox4x32(tuple(np.array([c], np.uint32) for c in counter), key)
    assert tuple(int(w[0]) for w in words) == answer
    assert tuple(oracle.philox(counter, key)) == answer


@given(
    seed=st.integers(0, 2**64 - 1),
    sample=st.integers(0, 2**40),
    neuron=st.integers(0, 2**20),
    draw=st.integers(0, 2**16),
)
def test_words_are_a_function_of_their_place(seed, sample, neuron, draw):
    samples = np.array([[sample], [sample + 1]])
    neurons = np.array([neuron, neuron + 3, neuron + 1])
    words = uniform_words(seed, samples, neurons, draw)
    for i, s in enumerate(samples[:, 0]):
        for j, n in enumerate(neurons):
            assert words[i, j] == oracle.word(seed, int(s), int(n), draw)
