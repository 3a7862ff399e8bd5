"""The export targets: what each file says, whether it is exact, and what writes it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from spiking_pvae.deploy.exporters.traces import Int64, Traces
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import InputError

TargetName = Literal["nir", "nir-compat", "snntorch", "netx", "netx-cuba", "lava", "lava-stock", "sanafe"]
HALVES = "the network's integer layers; the latents' counts are drawn by the reader from the accumulators"
INSTALL = "pip install 'spiking-pvae[exports]'"


class Measure(Protocol):
    """Measures how far an inexact form is from the network."""

    def __call__(self, network: Network, messages: Int64, wanted: Traces, *, steps: int) -> dict[str, float]:
        """Return named differences from the network's own traces in the graded schedule."""


class Writer(Protocol):
    """A module that writes a network into an empty folder."""

    def write(self, network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
        """Write every file of the export but the golden traces and the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One kind of export.

    Parameters
    ----------
    form : str
        What the files say, in a sentence.
    exact : bool
        Whether a reader of the target's own semantics computes what `against` computes, integer for integer.
    against : str
        What the golden traces are.
    module : str
        Module of the writer.
    needs : tuple of str
        Modules that writing imports.
    main : str
        The file to hand on.
    schedules : tuple of {"graded", "unary", "streaming"}
    notes : tuple of str
        Warnings for whoever reads the files elsewhere.
    """

    form: str
    exact: bool
    against: str
    module: str
    main: str
    needs: tuple[str, ...] = ()
    schedules: tuple[Schedule, ...] = ("graded", "unary")
    notes: tuple[str, ...] = ()

    def writer(self) -> Writer:
        """Import the writer.

        Raises
        ------
        InputError
            A package that it needs is not installed.
        """
        if lacking := [name for name in self.needs if find_spec(name) is None]:
            raise InputError(
                "export", given=f"a target without {', '.join(lacking)}", allowed="installed packages", remedy=INSTALL
            )
        writer: Writer = import_module(f"spiking_pvae.deploy.exporters.{self.module}")
        return writer

    def measure(self) -> Measure:
        """Return what measures the difference of an inexact form from the network."""
        measure: Measure = import_module(f"spiking_pvae.deploy.exporters.{self.module}").difference
        return measure

    def warnings(self) -> tuple[str, ...]:
        """Return the notes for whoever reads the files, with the importers' where the target is about importers."""
        if self.module != "nir_compat":
            return self.notes
        from spiking_pvae.deploy.exporters.nir_compat import warnings

        return (*warnings(), *self.notes)


TARGETS: dict[TargetName, Target] = {
    "nir": Target(
        form=f"NIR standard nodes only (Affine, Conv2d, I, Threshold, Scale): {HALVES}",
        exact=True,
        against="the reference simulator",
        module="nir_exact",
        main="encoder.nir",
        needs=("nir",),
        notes=("Readers have to evaluate a node once a step and delay the edge that closes a loop by one step.",),
    ),
    "nir-compat": Target(
        form="one NIR graph with nir.IF neurons, which every importer loads and none reads as the network; what the "
        "neurons mean stands in their metadata as JSON",
        exact=False,
        against="the reference simulator, which no importer of this form reproduces",
        module="nir_compat",
        main="network.nir",
        needs=("nir",),
        schedules=("graded",),
    ),
    "snntorch": Target(
        form=f"torch modules of snnTorch neurons (Leaky with beta 1 and soft reset; CountIF for counts): {HALVES}",
        exact=True,
        against="the reference simulator",
        module="snntorch_export",
        main="network.npz",
    ),
    "netx": Target(
        form="lava-dl SDNN layers: differences, ReLU and a division by 64, thresholds folded into the next weights; "
        "the latents' counts are drawn by the reader from the accumulators",
        exact=False,
        against="a model of exactly this form (equal to the network where no layer but the latents fires)",
        module="netx_export",
        main="encoder.net",
        needs=("h5py",),
        schedules=("graded",),
        notes=(
            "netx has no soft-reset counts. Read with spike_exp=0 and input_message_bits=24; images are a stream of "
            "differences, and layers that fire drift from one image to the next.",
            "The last layer of a file only sums; `offset` is its bias, which the reader adds.",
        ),
    ),
    "netx-cuba": Target(
        form="lava-dl CUBA layers: spikes, hard reset, one threshold a layer, an image spread over T steps; the "
        "latents' counts are drawn by the reader from the accumulators",
        exact=False,
        against="a model of exactly this form (equal to the network where no layer but the latents fires)",
        module="cuba_export",
        main="encoder.net",
        needs=("h5py",),
        schedules=("streaming",),
        notes=(
            "Read with input_message_bits=24, reset_interval=T and reset_offset=1; the last layer of a file only sums, "
            "and `offset` is its bias, which the reader adds.",
        ),
    ),
    "lava": Target(
        form="Lava processes of the spike-count neuron, constant and exponential threshold, with the programs that run "
        "them: the whole network",
        exact=True,
        against="the reference simulator",
        module="lava_export",
        main="run_counts.py",
        notes=("Convolutions are written as dense matrices.",),
    ),
    "lava-stock": Target(
        form="Lava's stock processes Dense and GradedReluVec, with the program that runs them: counts as payloads, "
        "one power of two as the threshold of a layer, no largest counts; the latents' counts are drawn by the reader",
        exact=True,
        against="the reference simulator",
        module="stock_export",
        main="run_stock.py",
        schedules=("graded",),
        notes=("Convolutions are written as dense matrices; biases come from lines that always send.",),
    ),
    "sanafe": Target(
        form="SANA-FE's architecture and mapped network: leaky_integrate_fire somas without leak and with soft reset, "
        "one spike a step, held and released by control spikes; the latents sum, and input somas send the counts that "
        "the reader draws from the sums",
        exact=True,
        against="the reference simulator, and its spikes times fan-out, packets and hops",
        module="sanafe_export",
        main="network.yaml",
        schedules=("unary",),
        notes=(
            "SANA-FE's spikes carry no payload, so that there is no graded form; it fires where v > threshold (the "
            "charge starts at +1/2, thresholds are those of the network) and its soft reset subtracts the threshold.",
            "Its built-in somas draw no exponential thresholds and take no bias once: the groups _counts and _control "
            "are input somas, whose trains the program sets for every image; control messages are not counted.",
            "The architecture has the mesh of Loihi 1 and costs of 0; units are named as in SANA-FE's loihi.yaml.",
        ),
    ),
}


def target(name: str) -> Target:
    """Return the target called `name`.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in TARGETS:
        raise InputError("export target", given=repr(name), allowed=", ".join(TARGETS))
    return TARGETS[name]
