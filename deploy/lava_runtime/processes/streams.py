"""A source and a sink of vectors, and a model that does not hang when it fails."""

from __future__ import annotations

import os
import signal
import sys
import traceback

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class GuardedModel(PyLoihiProcessModel):
    """Ends the whole run when a step fails.

    Lava swallows what a process raises and waits for it for ever. The runner leads a process group of its own, so that
    the group can be ended.
    """

    def run_spk(self) -> None:
        """Do one step."""
        try:
            self.step()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os.killpg(os.getpgrp(), signal.SIGTERM)


class Source(AbstractProcess):
    """Sends a row of `frames` in every step, then zeros.

    Parameters
    ----------
    frames : ndarray of int32, shape (steps, lines)
    """

    def __init__(self, *, frames: np.ndarray) -> None:
        super().__init__(frames=frames)
        self.s_out = OutPort(shape=(frames.shape[1],))


@implements(proc=Source, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySource(GuardedModel):
    """Reads the frames from the parameters, which reach the process by fork and not through a channel."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def step(self) -> None:
        """Send one row."""
        frames, row = self.proc_params["frames"], self.time_step - 1
        self.s_out.send(frames[row] if row < len(frames) else np.zeros(frames.shape[1], np.int32))


class Sink(AbstractProcess):
    """Writes what arrives into shared memory, one row a step.

    Parameters
    ----------
    rows : ndarray of int64, shape (steps, lines)
    """

    def __init__(self, *, rows: np.ndarray) -> None:
        super().__init__(rows=rows)
        self.a_in = InPort(shape=(rows.shape[1],))


@implements(proc=Sink, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySink(GuardedModel):
    """Reading a Var from outside copies it element by element; this does not."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def step(self) -> None:
        """Receive one row."""
        arriving = self.a_in.recv()
        rows = self.proc_params["rows"]
        if self.time_step <= len(rows):
            rows[self.time_step - 1] = arriving
