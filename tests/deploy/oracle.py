"""The network in Python's big integers and exact fractions, written from the equations alone."""

from fractions import Fraction
from math import floor

from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, ExponentialThreshold

M0, M1, W0, W1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = c[0] * M0, c[2] * M1
        c = [(b // 2**32) ^ c[1] ^ k[0], b % 2**32, (a // 2**32) ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + W0) % 2**32, (k[1] + W1) % 2**32]
    return c


def word(seed, sample, neuron, draw):
    block = philox((neuron // 4, draw, sample % 2**32, sample // 2**32), (seed % 2**32, seed // 2**32))
    return block[neuron % 4]


def log_table():
    """ln(1 + j / 2048) in units of 2^-32, from the series of 2 atanh(x / (2 + x)) in exact fractions."""
    table = []
    for j in range(2049):
        x = Fraction(j, 2048)
        y = x / (2 + x)
        total, power, n = 0, int(y * 2**200), 1
        square = y * y
        while power:
            total += 2 * power // n
            power = int(power * square)
            n += 2
        table.append(int(Fraction(total, 2**168) + Fraction(1, 2)))
    return table


LOG = log_table()
LN2 = LOG[2048]


def threshold(u, fraction):
    odd = 2 * u + 1
    k = odd.bit_length() - 1
    mantissa = odd * 2 ** (33 - k) - 2**33
    j, rest = divmod(mantissa, 2**22)
    e = (33 - k) * LN2 - (LOG[j] + (LOG[j + 1] - LOG[j]) * rest // 2**22)
    return (e - e // 2 ** (fraction + 1)) // 2 ** (32 - fraction) + 1


def rounded_quotient(value, divisor):
    return floor(Fraction(value, divisor) + Fraction(1, 2))


def synapses(conv):
    """Every synapse of a convolution as (source, target, weight), one by one from the definition."""
    outputs, group_inputs, rows, columns = conv.weight.shape
    _, height, width = conv.input_shape
    _, out_height, out_width = conv.output_shape
    for o in range(outputs):
        first = o // (outputs // conv.groups) * group_inputs
        for y in range(out_height):
            for x in range(out_width):
                for c in range(group_inputs):
                    for i in range(rows):
                        for j in range(columns):
                            sy = y * conv.stride[0] - conv.padding[0] + i * conv.dilation[0]
                            sx = x * conv.stride[1] - conv.padding[1] + j * conv.dilation[1]
                            if 0 <= sy < height and 0 <= sx < width:
                                source = ((first + c) * height + sy) * width + sx
                                yield source, (o * out_height + y) * out_width + x, int(conv.weight[o, c, i, j])


def sums(synapse, messages):
    """Weighted sums of one sample's messages, without bias."""
    totals = [0] * synapse.outputs
    if isinstance(synapse, Conv2d):
        for source, target, weight in synapses(synapse):
            totals[target] += weight * 2**synapse.exponent * messages[source]
        return totals
    for target, row in enumerate(synapse.weight):
        totals[target] = sum(int(w) * 2**synapse.exponent * x for w, x in zip(row, messages, strict=True))
    return totals


def layer_counts(layer, messages, *, seed, sample, steps=None):
    """Counts and charges of one layer for one sample; `steps` caps the counts (None: graded)."""
    counts, charges = [], []
    for i, total in enumerate(sums(layer.synapse, messages)):
        a = total
        if layer.bias is not None:
            a += int(layer.bias.mantissa[i]) * 2**layer.bias.exponent
        neuron, n = layer.neuron, 0
        if isinstance(neuron, ConstantThreshold):
            n = min(max(floor(Fraction(a, int(neuron.mantissa[i]) * 64)), 0), neuron.n_max)
        elif isinstance(neuron, ExponentialThreshold):
            u = rounded_quotient(a * int(neuron.gain[i]), 2 ** int(neuron.gain_shift[i]))
            index = min(max(u - neuron.table_low, 0), len(neuron.table) - 1)
            a = rounded_quotient(int(neuron.table[index]) * int(neuron.rate[i]), 2 ** int(neuron.rate_shift[i]))
            left = a
            while n < neuron.n_max and left >= (theta := threshold(word(seed, sample, i, n), neuron.fraction)):
                left -= theta
                n += 1
        counts.append(n if steps is None else min(n, steps))
        charges.append(a)
    return counts, charges


def run(network, messages, *, seed, first_sample=0, steps=None):
    """Counts and charges, [layer][sample][neuron]."""
    results = [([], []) for _ in network.layers]
    for row, values in enumerate(messages):
        flow = [int(v) for v in values]
        for place, layer in enumerate(network.layers):
            flow, charges = layer_counts(layer, flow, seed=seed, sample=first_sample + row, steps=steps)
            results[place][0].append(flow)
            results[place][1].append(charges)
    return results
