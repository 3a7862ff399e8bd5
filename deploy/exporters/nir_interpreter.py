"""A small interpreter of NIR graphs, written from the primitives' definitions and without a look at any exporter.

Time advances in steps of 1. In each step every node is evaluated once, on the sum of what its sources emit:

=================  =================================================
Affine, Linear     W x + b, W x
Conv2d             cross-correlation with stride, padding, dilation and groups, + b
SumPool2d          sums of windows; AvgPool2d their means
Flatten            reshape (dimensions count without the batch)
Scale              s * x
Threshold          1 where x > theta, else 0
I                  v <- v + r x, emits v
IF                 v <- v + r x, emits 1 where v > theta, and there v <- v_reset
=================  =================================================

A loop has to lead through an integrator (I or IF). The edge that closes it, from a node that needs the integrator's
value of the same step, brings the value of the step before.

References
----------
J. E. Pedersen et al., "Neuromorphic intermediate representation", Nature Communications 15, 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import DamagedFileError, UnsupportedError

Float64 = NDArray[np.float64]
Values = dict[str, Float64]
INTEGRATORS = (nir.I, nir.IF)


def _after(start: str, edges: Sequence[tuple[str, str]]) -> set[str]:
    """Return the nodes that a node's output leads to."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for source, target in edges:
            if source == here and target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached


def schedule(graph: nir.NIRGraph) -> tuple[list[str], dict[str, list[str]], dict[str, list[str]]]:
    """Order the nodes of a graph.

    Returns
    -------
    order : list of str
        Every node after the sources it needs in the same step.
    now, before : dict of str to list of str
        Sources of a node whose value of this step, and of the step before, it takes.

    Raises
    ------
    DamagedFileError
        A loop without an integrator, or an edge from or to nowhere.
    """
    edges = [(str(source), str(target)) for source, target in graph.edges]
    if lost := {end for edge in edges for end in edge} - set(graph.nodes):
        raise DamagedFileError("NIR graph", f"has edges of nodes that it lacks: {', '.join(sorted(lost))}.")
    now: dict[str, list[str]] = {name: [] for name in graph.nodes}
    before: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for name in graph.nodes:
        sources = [source for source, target in edges if target == name]
        later = _after(name, edges) if isinstance(graph.nodes[name], INTEGRATORS) else set()
        for source in sources:
            (before if source in later else now)[name].append(source)
    order: list[str] = []
    left = list(graph.nodes)
    while left:
        ready = [name for name in left if not set(now[name]) & set(left)]
        if not ready:
            raise DamagedFileError("NIR graph", f"has a loop without an integrator through {', '.join(left)}.")
        order += ready
        left = [name for name in left if name not in ready]
    return order, now, before


def _windows(maps: Float64, size: Any, stride: Any, padding: Any, dilation: Any = (1, 1)) -> Float64:
    """Return the windows of maps (samples, channels, height, width): (samples, channels, kh, kw, out h, out w)."""
    (kh, kw), (sy, sx), (py, px), (dy, dx) = (tuple(map(int, pair)) for pair in (size, stride, padding, dilation))
    padded = np.pad(maps, ((0, 0), (0, 0), (py, py), (px, px)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (dy * (kh - 1) + 1, dx * (kw - 1) + 1), axis=(2, 3))
    return view[:, :, ::sy, ::sx, ::dy, ::dx].transpose(0, 1, 4, 5, 2, 3)


def _conv(node: nir.Conv2d, x: Float64) -> Float64:
    groups, (outputs, depth, kh, kw) = int(node.groups), node.weight.shape
    windows = _windows(x, (kh, kw), node.stride, node.padding, node.dilation)
    parts = [
        np.einsum(
            "ocij,bcijyx->boyx",
            node.weight[g * outputs // groups : (g + 1) * outputs // groups],
            windows[:, g * depth : (g + 1) * depth],
            optimize=True,
        )
        for g in range(groups)
    ]
    result: Float64 = np.concatenate(parts, 1) + np.reshape(node.bias, (-1, 1, 1))
    return result


@singledispatch
def emit(node: object, x: Float64, state: Float64 | None) -> tuple[Float64, Float64 | None]:
    """Evaluate one node on its input.

    Parameters
    ----------
    node : NIRNode
    x : ndarray of float64, shape (samples, *input shape)
    state : ndarray of float64, optional
        What the node kept from the step before; None in the first step.

    Returns
    -------
    output, state : ndarray of float64
        The state is None where the node keeps nothing.

    Raises
    ------
    UnsupportedError
        The type is not in the table above.
    """
    raise UnsupportedError(
        f"NIR node of type {type(node).__name__}",
        nearest="Affine, Linear, Conv2d, SumPool2d, AvgPool2d, Flatten, Scale, Threshold, I, IF",
    )


@emit.register(nir.Input)
@emit.register(nir.Output)
def _(node: object, x: Float64, state: None) -> tuple[Float64, None]:
    return x, None


@emit.register(nir.Affine)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    return x @ node.weight.T + node.bias, None


@emit.register(nir.Linear)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    return x @ node.weight.T, None


@emit.register(nir.Conv2d)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    return _conv(node, x), None


@emit.register(nir.SumPool2d)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    return _windows(x, node.kernel_size, node.stride, node.padding).sum((2, 3)), None


@emit.register(nir.AvgPool2d)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    return _windows(x, node.kernel_size, node.stride, node.padding).mean((2, 3)), None


@emit.register(nir.Flatten)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    shape = x.shape[1:]
    first, last = int(node.start_dim) % len(shape), int(node.end_dim) % len(shape)
    return x.reshape(len(x), *shape[:first], -1, *shape[last + 1 :]), None


@emit.register(nir.Scale)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    return x * node.scale, None


@emit.register(nir.Threshold)
def _(node: Any, x: Float64, state: None) -> tuple[Float64, None]:
    return (x > node.threshold).astype(np.float64), None


@emit.register(nir.I)
def _(node: Any, x: Float64, state: Float64 | None) -> tuple[Float64, Float64]:
    v: Float64 = node.r * x if state is None else state + node.r * x
    return v, v


@emit.register(nir.IF)
def _(node: Any, x: Float64, state: Float64 | None) -> tuple[Float64, Float64]:
    v: Float64 = node.r * x if state is None else state + node.r * x
    spike = v > node.v_threshold
    return spike.astype(np.float64), np.where(spike, node.v_reset, v)


def interpret(graph: nir.NIRGraph, steps: Iterator[Float64]) -> Iterator[Mapping[str, Float64]]:
    """Run a graph with one input.

    Parameters
    ----------
    graph : nir.NIRGraph
    steps : iterator of ndarray of float64
        Input of each step, shape (samples, *input shape).

    Yields
    ------
    mapping of str to ndarray of float64
        What each node emitted in the step, shape (samples, *shape).

    Raises
    ------
    UnsupportedError
        A node of a type not listed above.
    DamagedFileError
        The graph is not well formed.
    """
    order, now, before = schedule(graph)
    state: dict[str, Float64 | None] = {}
    last: Values = {}
    for entering in steps:
        values: Values = {}
        for name in order:
            parts = [values[source] for source in now[name]]
            parts += [last[source] for source in before[name] if source in last]
            node = graph.nodes[name]
            if isinstance(node, nir.Input):
                parts.append(entering)
            if not parts:
                raise DamagedFileError("NIR graph", f"feeds nothing to node '{name}'.")
            values[name], state[name] = emit(node, sum(parts[1:], parts[0]), state.get(name))
        last = values
        yield values
