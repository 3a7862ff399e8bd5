"""The fused arrival-time sampler beside a plainly written rectangular one, and where a training step's time goes.

    python benchmarks/sampler.py
    python benchmarks/sampler.py memory     print the peak memory alone

The rectangular sampler draws n_exp arrivals for every unit, as the papers' public code does. Both run in alternation
on one thread, forward and backward, at batch 200, K = 512 and tau = 0.05. It can't count beyond n_exp:
`rectangular_misses` is the share of the expected count that it leaves out. Times are those of the processor (user and
system), so that other work on the machine counts little; medians are kept in benchmarks/results/sampler.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measuring import RETURNING, held, machine, reset_peak
from torch import Tensor

from spiking_pvae.config import Indicator, ModelConfig
from spiking_pvae.model import PoissonVAE
from spiking_pvae.objective import squared_error
from spiking_pvae.sampling.arrivals import relaxed_counts
from spiking_pvae.sampling.draws import Draws

RESULTS = Path(__file__).parent / "results" / "sampler.json"
BATCH, LATENTS, TAU = 200, 512, 0.05
ARRIVALS = (8, 20, 40, 87, 263)
MEAN_RATES = (0.07, 1.0, 5.0)
ROUNDS = 5


def rectangular(rate: Tensor, arrivals: int, tau: float) -> Tensor:
    """Relaxed counts from a tensor of `arrivals` inter-event times for every unit, with the sigmoid indicator."""
    gaps = torch.distributions.Exponential(rate).rsample((arrivals,))
    return torch.sigmoid((1 - gaps.cumsum(0)) / tau).sum(0)


def rates(mean: float) -> Tensor:
    """Uneven rates as of a trained model: log-normal, at most 100."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.exp(1.5 * torch.randn(BATCH, LATENTS, generator=generator))
    return (spread * mean / spread.mean()).clamp(max=100).requires_grad_()


def seconds(action: Callable[[], Any]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    action()
    return time.process_time() - started


def forward_backward(sample: Callable[[Tensor], Tensor], rate: Tensor) -> Callable[[], Any]:
    """One draw and its gradient."""
    return lambda: torch.autograd.grad(sample(rate).sum(), rate)


def compare_samplers() -> list[dict[str, Any]]:
    """Time both samplers at every n_exp and mean rate."""
    rows = []
    for mean in MEAN_RATES:
        rate = rates(mean)
        fused: dict[Indicator, Callable[[], Any]] = {}
        for indicator in ("sigmoid", "cubic"):
            fused[indicator] = forward_backward(
                lambda r, kind=indicator: relaxed_counts(r, TAU, kind, Draws(seed=0)),  # type: ignore[misc]
                rate,
            )
            fused[indicator]()
        for arrivals in ARRIVALS:
            plain = forward_backward(lambda r, n=arrivals: rectangular(r, n, TAU), rate)  # type: ignore[misc]
            times: dict[str, list[float]] = {"rectangular": [], "sigmoid": [], "cubic": []}
            for _ in range(3 if arrivals > 50 else ROUNDS):
                times["rectangular"].append(seconds(plain))
                for name in ("sigmoid", "cubic"):
                    times[name].append(median(seconds(fused[name]) for _ in range(3)))
            ms = {name: 1e3 * median(values) for name, values in times.items()}
            row = {
                "mean_rate": mean,
                "n_exp": arrivals,
                "rectangular_misses": truncated(rate, arrivals),
                **{f"{name}_ms": value for name, value in ms.items()},
                "ratio_sigmoid": ms["rectangular"] / ms["sigmoid"],
                "ratio_cubic": ms["rectangular"] / ms["cubic"],
            }
            print(json.dumps(row))
            rows.append(row)
    return rows


def measure_memory() -> list[dict[str, Any]]:
    """Measure what each sampler allocates at its peak, forward only, in bytes a latent and sample."""
    samplers: dict[str, Callable[[Tensor], Tensor]] = {
        "fused_sigmoid": lambda rate: relaxed_counts(rate, TAU, "sigmoid", Draws(seed=0)),
        "fused_cubic": lambda rate: relaxed_counts(rate, TAU, "cubic", Draws(seed=0)),
        "rectangular_8": lambda rate: rectangular(rate, 8, TAU),
        "rectangular_40": lambda rate: rectangular(rate, 40, TAU),
    }
    rows = []
    for name, sample in samplers.items():
        sample(torch.ones(2, LATENTS))
        for batch, mean in ((500, 0.07), (1000, 0.07), (2000, 0.07), (2000, 5.0), (2000, 100.0)):
            rate = torch.full((batch, LATENTS), mean)
            reset_peak()
            before = held("VmRSS")
            sample(rate)
            peak = held("VmHWM") - before
            rows.append({"sampler": name, "batch": batch, "mean_rate": mean, "bytes_each": peak / rate.numel()})
            print(json.dumps(rows[-1]))
    return rows


def memory_apart() -> list[dict[str, Any]]:
    """Measure memory in a process whose freed blocks go back to the system, where none waits to be used again."""
    command = [sys.executable, __file__, "memory"]
    environment = {**os.environ, **RETURNING}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def truncated(rate: Tensor, arrivals: int) -> float:
    """Return by how much a rectangular sampler's mean count falls short of the rate, as a share, at tau = 0."""
    poisson = torch.distributions.Poisson(rate.detach().double())
    below = torch.stack([poisson.log_prob(torch.tensor(float(k))).exp() for k in range(arrivals)]).cumsum(0)
    heard = float((1 - below).sum())  # E min(N, n) = sum over k < n of P(N > k)
    return max(0.0, 1 - heard / float(rate.detach().double().sum()))


def gemm_floor(pixels: int) -> float:
    """Time of the five matrix products that a linear | linear step can't do without, in ms."""
    x, z, error = torch.randn(BATCH, pixels), torch.randn(BATCH, LATENTS), torch.randn(BATCH, pixels)
    encoder, decoder = torch.randn(LATENTS, pixels), torch.randn(pixels, LATENTS)

    def products() -> None:
        x @ encoder.T, z @ decoder.T, error @ decoder, error.T @ z, z.T @ x

    products()
    return 1e3 * median(seconds(products) for _ in range(30))


def step_parts(sample: Callable[[Tensor], Tensor] | None, steps: int) -> dict[str, float]:
    """Median time in ms of each part of a training step; without a sampler the exact loss is used."""
    model = PoissonVAE(ModelConfig(latents=LATENTS), (1, 16, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    images = torch.randn(BATCH, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    marks: list[list[float]] = []
    for _ in range(steps):
        clock = [time.process_time()]

        def tick(clock: list[float] = clock) -> None:
            clock.append(time.process_time())

        features = model.encoder(images)
        tick()
        posterior = model.latents(features)
        kl = posterior.kl().sum(1)
        rate = posterior.rate
        tick()
        z = rate if sample is None else sample(rate)
        tick()
        error = squared_error(images, model.decode(z))
        if sample is None:
            error = error + posterior.readout_variance(model.dictionary())
        loss = (error + kl).mean()
        tick()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        tick()
        optimizer.step()
        tick()
        marks.append(clock)
    names = ("encoder", "posterior_and_kl", "sampler", "decoder_and_loss", "backward", "optimiser")
    parts = {name: 1e3 * median(clock[place + 1] - clock[place] for clock in marks) for place, name in enumerate(names)}
    return parts | {"whole": 1e3 * median(clock[-1] - clock[0] for clock in marks)}


def compare_steps() -> dict[str, Any]:
    """Time a step with each sampler, split into its parts."""
    steps: dict[str, Any] = {
        "exact": step_parts(None, 30),
        "fused_sigmoid": step_parts(lambda rate: relaxed_counts(rate, TAU, "sigmoid", Draws(seed=0)), 30),
        "fused_cubic": step_parts(lambda rate: relaxed_counts(rate, TAU, "cubic", Draws(seed=0)), 30),
    }
    for arrivals in ARRIVALS:
        count = 3 if arrivals > 50 else 7
        steps[f"rectangular_{arrivals}"] = step_parts(lambda r, n=arrivals: rectangular(r, n, TAU), count)  # type: ignore[misc]
        ratio = steps[f"rectangular_{arrivals}"]["whole"] / steps["fused_sigmoid"]["whole"]
        print(f"a step with n_exp = {arrivals}: {ratio:.1f} times the fused one")
    floor = gemm_floor(256)
    for name in ("exact", "fused_sigmoid", "fused_cubic"):
        print(name, {part: round(ms, 3) for part, ms in steps[name].items()}, f"GEMM floor {floor:.2f} ms")
    return {"gemm_floor_ms": floor, "parts_ms": steps}


def main() -> None:
    """Measure and keep."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if sys.argv[1:] == ["memory"]:
        measure_memory()
        return
    result = {
        **machine(),
        "batch": BATCH,
        "latents": LATENTS,
        "temperature": TAU,
        "threads": 1,
        "clock": "processor time",
        "memory": memory_apart(),
        "sampler_alone": compare_samplers(),
        "step": compare_steps(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
