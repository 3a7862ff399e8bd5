"""Random encoders and decoders as plain torch modules, and networks lowered from them."""

import torch
from hypothesis import strategies as st
from torch import nn

from spiking_pvae.deploy.lower import lower_parts


def settle(module, seed):
    """Give batch norm statistics that matter, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=generator)
            part.running_var.uniform_(0.5, 2.0, generator=generator)
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
            part.bias.data.normal_(0, 0.2, generator=generator)
    return module.eval()


def lowered(encoder, decoder, latents, shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    prior = -2 + 2 * torch.rand(latents, generator=generator)
    return lower_parts(encoder=encoder, decoder=decoder, prior_log_rate=prior, clamp=5.0, shape=shape)


@st.composite
def dense_parts(draw, inputs, outputs):
    """Hidden blocks of nn.Linear with or without bias and batch norm, then a last nn.Linear."""
    parts = []
    for _ in range(draw(st.integers(0, 2))):
        width = draw(st.integers(1, 9))
        parts.append(nn.Linear(inputs, width, bias=draw(st.booleans())))
        if draw(st.booleans()):
            parts.append(nn.BatchNorm1d(width))
        parts.append(nn.ReLU())
        inputs = width
    return [*parts, nn.Linear(inputs, outputs, bias=draw(st.booleans()))]


@st.composite
def convolution_parts(draw, shape):
    """Blocks of nn.Conv2d, batch norm, ReLU and pooling; returns the modules and the shape that leaves them."""
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        channels, height, width = shape
        groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
        kernel = draw(st.integers(1, min(3, height, width)))
        conv = nn.Conv2d(
            channels,
            groups * draw(st.integers(1, 2)),
            kernel,
            stride=draw(st.integers(1, 2)),
            padding=draw(st.integers(0, kernel // 2)),
            groups=groups,
            bias=draw(st.booleans()),
        )
        parts.append(conv)
        if draw(st.booleans()):
            parts.append(nn.BatchNorm2d(conv.out_channels))
        if draw(st.booleans()):
            parts.append(nn.ReLU())
        shape = tuple(conv(torch.zeros(1, *shape)).shape[1:])
        if min(shape[1:]) >= 2 and draw(st.booleans()):
            pool = nn.AvgPool2d(2, stride=draw(st.integers(1, 2)), padding=draw(st.integers(0, 1)))
            parts.append(pool)
            shape = tuple(pool(torch.zeros(1, *shape)).shape[1:])
    return parts, shape


@st.composite
def encoders(draw, shape, latents):
    parts, inner = draw(convolution_parts(shape)) if draw(st.booleans()) else ([], shape)
    size = inner[0] * inner[1] * inner[2]
    return nn.Sequential(*parts, nn.Flatten(), *draw(dense_parts(size, latents)))


@st.composite
def decoders(draw, latents, shape):
    channels, height, width = shape
    if draw(st.booleans()):
        return nn.Sequential(*draw(dense_parts(latents, channels * height * width)), nn.Unflatten(1, shape))
    low = (2, -(-height // 2), -(-width // 2))
    return nn.Sequential(
        *draw(dense_parts(latents, low[0] * low[1] * low[2])),
        nn.ReLU(),
        nn.Unflatten(1, low),
        nn.Upsample(size=(height, width))
        if draw(st.booleans())
        else nn.Upsample(size=(height, width), mode="bilinear"),
        nn.Conv2d(2, channels, 3, padding=1),
    )


@st.composite
def float_networks(draw):
    shape = (draw(st.integers(1, 2)), draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    latents, seed = draw(st.integers(1, 5)), draw(st.integers(0, 2**31))
    torch.manual_seed(seed)
    encoder = settle(draw(encoders(shape, latents)), seed)
    decoder = settle(draw(decoders(latents, shape)), seed + 1)
    return lowered(encoder, decoder, latents, shape, seed), encoder, decoder
