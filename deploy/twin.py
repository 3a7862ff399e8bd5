"""The float twin of an integer network, which can be trained.

The twin computes in floating point what the integer network computes: biases are rounded before they are used, hidden
neurons count, rates come from the integer table. Its weights are integers as well, but can be released: then they are
real, and settle on the grid a few at a time while those still free make up for the rounding (incremental quantisation
[1]_). No weight moves between two integers, so that training never sees the noise of weights that flip. Once all have
settled, all sums are integers below 2^24, which float32 holds exactly, and the twin is the integer network. Scales,
thresholds and exponents stay as calibration chose them.

Gradients pass the roundings of biases, counts and rates as if they were not there (straight-through [2]_), and inside
the limits of a clipping only. The loss is the negative ELBO, with the expectation over the counts in closed form for a
decoder of one dense layer. Otherwise it comes from one draw, and only what lies behind the latents is trained: no draw
says what its spread costs, which the encoder's weights would need.

References
----------
.. [1] A. Zhou, A. Yao, Y. Guo, L. Xu, Y. Chen, "Incremental network quantization", ICLR 2017.
.. [2] Y. Bengio, N. Leonard, A. Courville, "Estimating or propagating gradients through stochastic neurons for
   conditional computation", arXiv 1308.3432, 2013.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spiking_pvae.deploy.emulate import unit
from spiking_pvae.deploy.floatnet import FloatLayer, FloatNetwork, PoissonRate
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, ExponentialThreshold, Layer, Network
from spiking_pvae.deploy.maps import ScaleMap, scale_inputs
from spiking_pvae.deploy.numerics import BIAS_MANTISSA, MEMBRANE, weight_format
from spiking_pvae.deploy.ranges import LayerRange, input_range, layer_range, ranges
from spiking_pvae.deploy.sparsity import compact, written_out_synapse


def _through(real: Tensor, integer: Tensor) -> Tensor:
    """Return the integer values with the gradient of the real ones."""
    return real + (integer - real).detach()


class TwinLayer(nn.Module):
    """One layer whose weights, in units of the grid, are settled (integers that stay) or free (real, trained).

    Parameters
    ----------
    layer : Layer
        Its integers, all settled, and its formats and geometry.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.held = torch.from_numpy(layer.synapse.weight).float()
        self.weight = nn.Parameter(self.held.clone())
        self.settled = torch.ones_like(self.held, dtype=torch.bool)
        self.bias = None if layer.bias is None else nn.Parameter(torch.from_numpy(layer.bias.mantissa).float())

    @torch.no_grad()
    def release(self, real: FloatLayer, message_scale: NDArray[np.float64]) -> None:
        """Let all weights start anew from those of the float layer, and the bias too."""
        assert not isinstance(real.linear, ScaleMap)
        weight = scale_inputs(real.linear, message_scale).weight
        value = unit(self.layer)
        by_channel = value.reshape(len(weight), -1)[:, 0] * 2.0**self.layer.synapse.exponent
        self.weight.copy_(torch.from_numpy(weight / by_channel.reshape(-1, *(1,) * (weight.ndim - 1))))
        # Beyond its limits a weight or bias would get no gradient and never come back.
        self.weight.copy_(self._limited())
        # A synapse that was pruned stays away.
        self.settled = self.weight == 0
        self.held.zero_()
        if self.bias is not None and self.layer.bias is not None:
            charge = np.zeros_like(value) if real.bias is None else real.bias / value
            if isinstance(self.layer.neuron, ConstantThreshold):
                # Counts are rounded, not rounded down.
                charge = charge + self.layer.neuron.theta / 2
            mantissas = torch.from_numpy(charge * 2.0**-self.layer.bias.exponent)
            self.bias.copy_(mantissas.clamp(BIAS_MANTISSA.low, BIAS_MANTISSA.high))

    @torch.no_grad()
    def settle(self, chosen: Tensor) -> None:
        """Round the free ones of the chosen weights (bool, in the shape of the weights) for good."""
        new = chosen & ~self.settled
        self.held[new] = self._limited()[new].round()
        self.settled |= new

    def _limited(self) -> Tensor:
        high = weight_format(self.layer.synapse.bits).high
        return self.weight.clamp(-high, high)

    def mantissas(self) -> Tensor:
        """Weights in units of the grid, float32: integers where they have settled."""
        return torch.where(self.settled, self.held, self._limited())

    def bias_mantissas(self) -> Tensor | None:
        """Integer bias mantissas, float32."""
        if self.bias is None:
            return None
        limited = self.bias.clamp(BIAS_MANTISSA.low, BIAS_MANTISSA.high)
        return _through(limited, limited.round())

    def forward(self, messages: Tensor) -> Tensor:
        """Return the accumulators of messages; (batch, inputs) to (batch, neurons)."""
        synapse = self.layer.synapse
        if isinstance(synapse, Conv2d):
            maps = messages.view(-1, *synapse.input_shape)
            geometry = (synapse.stride, synapse.padding, synapse.dilation, synapse.groups)
            sums = functional.conv2d(maps, self.mantissas(), None, *geometry).flatten(1)
        else:
            sums = functional.linear(messages, self.mantissas())
        sums = sums * 2.0**synapse.exponent
        bias = self.bias_mantissas()
        return sums if bias is None or self.layer.bias is None else sums + bias * 2.0**self.layer.bias.exponent

    def integer(self) -> Layer:
        """Return the integer layer that this one simulates; all its weights must have settled."""
        assert self.settled.all()
        weight = self.held.numpy().astype(np.int8)
        mantissas = self.bias_mantissas()
        bias = self.layer.bias
        if bias is not None and mantissas is not None:
            bias = replace(bias, mantissa=mantissas.detach().numpy().astype(np.int16))
        synapse = replace(written_out_synapse(self.layer.synapse), weight=weight)
        return replace(self.layer, synapse=synapse, bias=bias)

    @torch.no_grad()
    def restore(self, neurons: NDArray[np.bool_]) -> None:
        """Give the channels of these neurons the weights and the bias of the layer that this one was made of."""
        first = self.layer
        channels = torch.from_numpy(neurons.reshape(len(first.synapse.weight), -1).any(1))
        self.held[channels] = torch.from_numpy(first.synapse.weight).float()[channels]
        if self.bias is not None and first.bias is not None:
            where = channels.repeat_interleave(first.neurons // len(channels))
            self.bias[where] = torch.from_numpy(first.bias.mantissa).float()[where]


class Twin(nn.Module):
    """The float twin of an integer network; `integer` returns the network that it simulates.

    Parameters
    ----------
    source : FloatNetwork
        What the network was made of.
    network : Network
        What the twin computes until its weights are released.
    """

    def __init__(self, source: FloatNetwork, network: Network) -> None:
        super().__init__()
        self.source = source
        self.network = network
        latent = source.latent.activation
        assert isinstance(latent, PoissonRate)
        self.clamp = latent.clamp
        neuron = network.latent.neuron
        assert isinstance(neuron, ExponentialThreshold)
        self.neuron = neuron
        self.prior = torch.from_numpy(neuron.prior_rate).float()
        modules = [TwinLayer(layer) for layer in network.layers]
        self.layers = nn.ModuleList(modules)
        self.chain = tuple(modules)
        self.place = network.layers.index(network.latent)
        self.trained = range(0 if self.atoms() is not None else self.place + 1, len(self.chain))
        for module in self.chain[: self.trained.start]:
            module.requires_grad_(False)
        self.turns = [torch.zeros(module.weight.shape) for module in self.chain]

    def release(self, generator: torch.Generator) -> None:
        """Let the weights that are trained start anew from the float network's, to settle in a random order."""
        for place in self.trained:
            self.chain[place].release(self.source.layers[place], self.network.message_scales[place])
        self.turns = [torch.rand(module.weight.shape, generator=generator) for module in self.chain]

    def settle(self, share: float) -> None:
        """Round weights for good until this share of each layer's has settled."""
        for module, turn in zip(self.chain, self.turns, strict=True):
            module.settle(turn < share)

    def counts(self, layer: Layer, accumulators: Tensor) -> Tensor:
        """Turn the accumulators of a hidden layer into counts."""
        neuron = layer.neuron
        assert isinstance(neuron, ConstantThreshold)
        theta = torch.from_numpy(neuron.theta).float()
        real = (accumulators / theta - 0.5).clamp(0, neuron.n_max)
        return _through(real, torch.floor(accumulators / theta).clamp(0, neuron.n_max))

    def rate(self, accumulators: Tensor) -> Tensor:
        """Turn the latents' accumulators into the integer network's rates."""
        log_residual = accumulators * torch.from_numpy(unit(self.network.latent)).float()
        smooth = self.prior * torch.exp(self.clamp - functional.softplus(self.clamp - log_residual))
        charge = self.neuron.charge(accumulators.detach().round().numpy().astype(np.int64))
        exact = torch.from_numpy(np.ldexp(charge.astype(np.float64), -self.neuron.fraction)).float()
        return _through(smooth, exact)

    def encode(self, messages: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the latents' rates and the accumulators of every layer up to them."""
        accumulators = []
        for module in self.chain[: self.place + 1]:
            accumulators.append(module(messages))
            if len(accumulators) <= self.place:
                messages = self.counts(module.layer, accumulators[-1])
        return self.rate(accumulators[-1]), accumulators

    def decode(self, counts: Tensor) -> Tensor:
        """Return the reconstruction of counts; (batch, latents) to (batch, pixels)."""
        for module in self.chain[self.place + 1 : -1]:
            counts = self.counts(module.layer, module(counts))
        last = self.chain[-1]
        scale = torch.from_numpy(self.network.readout.scale).float()
        reconstruction: Tensor = last(counts) * scale
        return reconstruction

    def atoms(self) -> Tensor | None:
        """Return |Phi_i|^2 of each latent where the decoder is one dense layer, else None."""
        if self.place + 2 != len(self.layers) or isinstance(self.network.readout.synapse, Conv2d):
            return None
        last = self.chain[-1]
        scale = torch.from_numpy(self.network.readout.scale).float()
        return (last.mantissas() * scale[:, None]).square().sum(0)

    def loss(self, x: Tensor, messages: Tensor, beta: float, generator: torch.Generator) -> Tensor:
        """Return the objective of a batch, mean over the images.

        Parameters
        ----------
        x : Tensor, shape (batch, pixels)
        messages : Tensor, shape (batch, pixels)
            The images as the input port encodes them.
        beta : float
            Weight of the KL.
        generator : torch.Generator
            Source of the counts unless the decoder is one dense layer.
        """
        rate, _ = self.encode(messages)
        atoms = self.atoms()
        if atoms is not None:
            error = (x - self.decode(rate)).square().sum(1) + rate @ atoms
        else:
            error = (x - self.decode(torch.poisson(rate.detach(), generator=generator))).square().sum(1)
        safe = rate.clamp(min=2.0**-self.neuron.fraction)
        kl = (rate * torch.log(safe / self.prior) - rate + self.prior).sum(1)
        return (error + beta * kl).mean()

    @torch.no_grad()
    def strengths(self, messages: Tensor) -> list[float]:
        """Return the root mean square of the messages that each layer receives; (batch, pixels) to one a layer."""
        found = []
        for place, module in enumerate(self.chain):
            found.append(float(messages.square().mean().sqrt()))
            accumulators = module(messages)
            if place == self.place:
                messages = torch.poisson(self.rate(accumulators), generator=torch.Generator().manual_seed(0))
            elif place < len(self.chain) - 1:
                messages = self.counts(module.layer, accumulators)
        return found

    def integer(self) -> Network:
        """Return the integer network that this one simulates."""
        return compact(replace(self.network, layers=tuple(module.integer() for module in self.chain)))

    def hold_bounds(self) -> None:
        """Give channels whose sums could now leave the membrane their first weights and bias back.

        Where a layer exceeds the membrane even so, it receives larger counts than at first: then the channels before it
        whose counts could have grown are given back too.
        """
        first = ranges(self.network)
        place = 0
        while (exceeding := self._restore(first, place)) > place:
            place = exceeding

    @torch.no_grad()
    def _restore(self, first: tuple[LayerRange, ...], calm: int) -> int:
        """Restore channels layer by layer, each judged by what the restored layers before it send.

        In the first `calm` layers, channels whose counts could be larger than at first are restored as well. Return the
        place of a layer that exceeds the membrane all the same, or 0 where none does.
        """
        messages = input_range(self.network.input)
        for place, module in enumerate(self.chain):
            bound = layer_range(module.integer(), messages)
            wrong = _exceeds(bound)
            if place < calm:
                wrong |= bound.counts.high > first[place].counts.high
            if wrong.any():
                module.restore(wrong)
                bound = layer_range(module.integer(), messages)
                if _exceeds(bound).any():
                    return place
            messages = bound.counts
        return 0


def _exceeds(bound: LayerRange) -> NDArray[np.bool_]:
    """Tell of each neuron of a layer whether a sum could leave the membrane."""
    return (bound.sums.high > MEMBRANE.high) | (bound.sums.low < MEMBRANE.low)
