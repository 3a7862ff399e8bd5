"""The spike-count neuron as a Lava process with a fixed-point model.

A population works in windows of `period` steps, one window an inference, the first of which begins with the step after
`start`. In a window it adds up what arrives in the first `incoming` steps; then

    while v >= theta and n < n_max:  v <- v - theta;  n <- n + 1;  theta <- next threshold

at once in the last of those steps where counts travel (`firing` = 0), or at most one spike a step in the `firing` steps
that follow. `constant` populations have a fixed theta a neuron; `poisson` populations turn the sum into a rate by a
table and draw every theta; a `readout` only adds up.
"""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from processes.draws import threshold
from processes.streams import GuardedModel


class SpikeCount(AbstractProcess):
    """One population.

    Parameters
    ----------
    shape : tuple of int
        Neurons.
    kind : {"constant", "poisson", "readout"}
    plan : dict of str to int
        `start`, `period`, `incoming`, `firing`, `n_max`, `samples`, `seed`, `first_sample`.
    arrays : dict of str to ndarray
        `bias`, and `theta` or the members of the rate table.
    trace : dict of str to ndarray
        Shared memory that receives `accumulator`, `count` and, where there is a firing phase, `spike`.
    """

    def __init__(self, *, shape, kind, plan, arrays, trace) -> None:
        super().__init__(shape=shape, kind=kind, plan=plan, arrays=arrays, trace=trace)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=0)


@implements(proc=SpikeCount, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySpikeCount(GuardedModel):
    """Fixed-point model; the membrane is a 24-bit integer whose limits are checked."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params) -> None:
        super().__init__(proc_params)
        self.kind, self.plan = proc_params["kind"], proc_params["plan"]
        self.arrays, self.trace = proc_params["arrays"], proc_params["trace"]
        self.n = np.zeros(proc_params["shape"], np.int64)

    def step(self) -> None:
        """Receive, add, and fire if it is time."""
        arriving = self.a_in.recv()
        plan = self.plan
        window, phase = divmod(self.time_step - 1 - plan["start"], plan["period"])
        emitted = np.zeros_like(self.n)
        if 0 <= window < plan["samples"]:
            if phase == 0:
                self.v[:] = self.arrays["bias"]
                self.n[:] = 0
            if phase < plan["incoming"]:
                self.v += arriving
            if phase == plan["incoming"] - 1:
                self.integrated(window)
                if not plan["firing"]:
                    emitted = self.fire(window, plan["n_max"])
            elif plan["incoming"] <= phase < plan["incoming"] + plan["firing"]:
                emitted = self.fire(window, 1)
                self.trace["spike"][window, phase - plan["incoming"]] = emitted
            if self.kind != "readout":
                self.trace["count"][window] = self.n
        self.s_out.send(emitted.astype(np.int32))

    def integrated(self, window: int) -> None:
        """Note the accumulator; turn it into a rate where the population is Poisson."""
        if self.v.min() < -(2**23) or self.v.max() >= 2**23:
            raise OverflowError("a membrane leaves 24 bits")
        self.trace["accumulator"][window] = self.v
        if self.kind == "poisson":
            a = self.arrays
            wide = self.v.astype(np.int64) * a["gain"]
            u = (wide + (1 << (a["gain_shift"] - 1))) >> a["gain_shift"]
            e = a["table"][np.clip(u - self.plan["table_low"], 0, len(a["table"]) - 1)]
            self.v[:] = (e * a["rate"] + (1 << (a["rate_shift"] - 1))) >> a["rate_shift"]
            self.trace["rate"][window] = self.v

    def fire(self, window: int, most: int) -> np.ndarray:
        """Fire up to `most` spikes a neuron; return them."""
        emitted = np.zeros_like(self.n)
        alive = np.arange(len(self.n))
        for _ in range(most):
            theta = self.thresholds(window, alive)
            alive = alive[(self.v[alive] >= theta[alive]) & (self.n[alive] < self.plan["n_max"])]
            if len(alive) == 0:
                break
            self.v[alive] -= theta[alive].astype(np.int32)
            self.n[alive] += 1
            emitted[alive] += 1
        return emitted

    def thresholds(self, window: int, alive: np.ndarray) -> np.ndarray:
        """Return the threshold that each neuron has to reach next."""
        if self.kind == "constant":
            return self.arrays["theta"]
        theta = np.zeros(len(self.n), np.int64)
        sample = self.plan["first_sample"] + window
        for draw in np.unique(self.n[alive]):
            neurons = alive[self.n[alive] == draw]
            theta[neurons] = threshold(self.plan["seed"], sample, neurons, int(draw), self.plan["fraction"])
        return theta
