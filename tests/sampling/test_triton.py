"""The CUDA kernel of the sampler in Triton's interpreter, which runs it on the CPU, against the plain sampler."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, warnings
import torch
from spiking_pvae.sampling.arrivals_torch import sample_torch
from spiking_pvae.sampling.arrivals_triton import sample_triton

warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of exp in lanes that are not used
generator = torch.Generator().manual_seed(0)
rate = torch.exp(1.2 * torch.randn(3, 67, generator=generator, dtype=torch.float64) - 1)
rate[0, :5] = torch.tensor([0.0, 1e6, torch.inf, torch.nan, 70.0])
results = []
for indicator, tau in (
    ("cubic", 0.0), ("cubic", 0.05), ("cubic", 1.0),
    ("sigmoid", 0.3), ("linear", 0.5), ("quintic", 0.5), ("cosine", 0.5),
):
    settings = dict(temperature=tau, indicator=indicator, seed=2**62 + 5, first_sample=3, stream=2)
    (z, slope), (plain_z, plain_slope) = sample_triton(rate, **settings), sample_torch(rate, **settings)
    results.append([
        (z - plain_z).nan_to_num().abs().max().item(),
        (slope - plain_slope).nan_to_num().abs().max().item(),
        torch.equal(z.isnan(), plain_z.isnan()),
        plain_z.nan_to_num().max().item(),
    ])
print(json.dumps(results))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton exists for Linux alone")
def test_the_kernel_equals_the_plain_sampler():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for z_error, slope_error, same_nan, largest in json.loads(done.stdout):
        assert z_error < 1e-12
        assert slope_error < 1e-11
        assert same_nan
        assert largest > 2  # several arrivals were followed
