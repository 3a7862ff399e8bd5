"""Fabric and several processes do what one plain process does; nothing is left on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spiking_pvae.checkpoint import load_run
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.distributions.categorical import CategoricalPosterior
from spiking_pvae.errors import InputError
from spiking_pvae.model import PoissonVAE, build_model
from spiking_pvae.relaxations.gumbel import gumbel
from spiking_pvae.training import fit
from spiking_pvae.training.optimizers import build_optimizer
from spiking_pvae.training.runtime import FabricRuntime, PlainRuntime, build_runtime
from spiking_pvae.training.step import TrainStep
from spiking_pvae.types import Dataset, ImageSet

MODEL = ModelConfig(latents=7)
TRAIN = TrainConfig(epochs=3, batch_size=20, device="cpu")


def trained(dataset: Dataset, config: TrainConfig) -> dict[str, Tensor]:
    model = PoissonVAE(MODEL, dataset.shape, seed=0)
    fit(model, dataset, config)
    return model.state_dict()


def test_fabric_in_32_bits_is_the_plain_runtime_bit_for_bit(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = trained(tiny, TRAIN)
    used = []

    def through_fabric(config: TrainConfig) -> FabricRuntime:
        used.append(FabricRuntime(torch.device("cpu"), config.precision))
        return used[-1]

    monkeypatch.setattr("spiking_pvae.training.job.build_runtime", through_fabric)
    fabric = trained(tiny, TRAIN)
    assert len(used) == 1
    assert all(torch.equal(plain[name], fabric[name]) for name in plain)


def test_bf16_computes_in_8_bits_of_mantissa_and_keeps_32_bit_weights(tiny: Dataset) -> None:
    plain, mixed = trained(tiny, TRAIN), trained(tiny, replace(TRAIN, precision="bf16"))
    for name, value in plain.items():
        assert mixed[name].dtype == torch.float32
        assert not torch.equal(mixed[name], value), name
        # Relative precision 2^-8, after nine steps whose size does not depend on the gradient's scale.
        assert float((mixed[name] - value).abs().max()) < 0.05, name


@pytest.mark.parametrize("precision", ["fp16", "tf32"])
def test_what_the_cpu_can_not_do_is_refused(precision: Any) -> None:
    with pytest.raises(InputError, match="32 or bf16 on the CPU"):
        build_runtime(replace(TRAIN, precision=precision))


def test_plain_training_does_not_import_fabric() -> None:
    code = "import sys, spiking_pvae.training as t; assert 'lightning_fabric' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


class Devices(TorchDispatchMode):
    """Collects the devices of all tensors but scalars that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.seen |= {leaf.device.type for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and leaf.ndim > 0}
        return result


PARTS = ("linear", "mlp", "conv")
SMALL = {"latents": 7, "width": 6, "channels": 3}
# The gumbel draw of counts is not among them: the size of its tensors follows from the largest rate, a value.
SAMPLED = [("poisson", "eat"), ("poisson", "score"), ("poisson", "straight-through"), ("categorical", "gumbel")]
SAMPLED += [(kind, estimator) for kind in ("grelu", "gaussian", "laplace") for estimator in ("pathwise", "score")]


@pytest.mark.parametrize(
    ("model_config", "config"),
    [
        *((ModelConfig(encoder=e, decoder=d, **SMALL), TRAIN) for e in PARTS for d in PARTS),
        *((ModelConfig(model=m, decoder="mlp", **SMALL), replace(TRAIN, estimator=s)) for m, s in SAMPLED),
        *((ModelConfig(model=m, **SMALL), TRAIN) for m in ("grelu", "gaussian", "laplace", "categorical")),
        (ModelConfig(**SMALL), replace(TRAIN, optimizer="adamax")),
        (ModelConfig(**SMALL), replace(TRAIN, estimator="eat", indicator="sigmoid")),
    ],
)
def test_a_step_leaves_no_tensor_on_the_cpu(model_config: ModelConfig, config: TrainConfig) -> None:
    """A step on the meta device fails, or shows up here, as soon as one tensor is made elsewhere."""
    device = torch.device("meta")
    model = build_model(model_config, (1, 8, 8)).to(device)
    runtime = PlainRuntime(device)
    module, wrapped = runtime.setup(TrainStep(model, config), build_optimizer(model, config))
    images = torch.empty(20, 1, 8, 8, device=device)
    beta, temperature, seed = torch.ones((), device=device), torch.tensor(0.5), torch.tensor(0)
    with Devices() as devices:
        value = module(images, beta, temperature, seed, seed)
        runtime.backward(value)
        norm = runtime.clip(module, wrapped, 1.0)
        wrapped.step()
    assert devices.seen == {"meta"}
    assert value.device == norm.device == device
    assert {parameter.grad.device for parameter in model.parameters() if parameter.grad is not None} == {device}


def launch(arguments: list[str], processes: int) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    if processes == 1:
        command = [sys.executable]
    done = subprocess.run(
        [*command, "-m", "spiking_pvae", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 2  # one process alone speaks


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        "--batch-size 32",  # the last batch is one image, for two processes
        "--decoder mlp --width 8 --batch-size 32",
        "--decoder mlp --width 8 --model laplace --batch-size 32",
        "--estimator gumbel --batch-size 32",
        "--encoder conv --decoder conv --channels 3 --batch-size 31",
    ],
    ids=["exact", "eat", "pathwise", "gumbel", "batch norm"],
)
def test_two_processes_train_as_one_with_the_doubled_batch(parts: str, tmp_path: Path) -> None:
    """Each of two gloo processes takes half of every batch; only the order of additions differs.

    Draws are those of a sample's place in the whole batch. Their gumbel form leaves out counts whose probability is
    below 1e-6, by the largest rate of a process's own half, which the tolerance allows.
    """
    rng = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", rng.normal(size=(121, 6, 6)).astype(np.float32))
    runs = []
    for processes in (1, 2):
        out = tmp_path / f"with {processes}"
        options = f"--latents 9 --epochs 2 --device cpu --quiet --json {parts}"
        data = ["--data", str(tmp_path / "images.npy")]
        launch(["train", *data, "--out", str(out), *options.split()], processes)
        runs.append(load_run(out))
    one, two = runs
    assert one.steps == two.steps
    for name, value in one.model.state_dict().items():
        torch.testing.assert_close(two.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    for first, second in zip(one.history, two.history, strict=True):
        for key in first.keys() - {"wall_time", "time_wall", "time_cpu"}:
            assert second[key] == pytest.approx(first[key], rel=1e-5), key


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # the compiler's own
@pytest.mark.filterwarnings("ignore:.*autograd.function.Function.*instantiated:DeprecationWarning")
def test_a_compiled_step_is_the_plain_one(tiny: Dataset) -> None:
    """The compiler may reorder additions; nine steps of Adam magnify that little."""
    plain, compiled = trained(tiny, TRAIN), trained(tiny, replace(TRAIN, compile=True))
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "decoder", "estimator"),
    [
        ("poisson", "linear", "exact"),
        ("poisson", "mlp", "eat"),
        ("poisson", "mlp", "score"),
        ("poisson", "mlp", "straight-through"),
        ("gaussian", "mlp", "pathwise"),
        ("categorical", "mlp", "gumbel"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # the compiler's own
@pytest.mark.filterwarnings("ignore:.*autograd.function.Function.*instantiated:DeprecationWarning")
def test_a_step_is_compiled_once(
    kind: Any, decoder: Any, estimator: Any, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed, temperature, beta and first sample change from step to step, and no graph holds one of their values."""
    compiled = []

    def counting(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counting))
    torch._dynamo.reset()
    gumbel.dispatch(CategoricalPosterior)  # fills the cache of the dispatch, which a graph depends on
    even = replace(tiny, train=ImageSet(images=tiny.train.images[:40]))  # batches of one size
    model = build_model(ModelConfig(model=kind, decoder=decoder, latents=7, width=8), even.shape)
    fit(model, even, replace(TRAIN, estimator=estimator, compile=True))
    assert len(compiled) == 1
