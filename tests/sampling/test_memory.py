"""The sampler's memory: two values a latent and sample, whatever the rate."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
import torch
from spiking_pvae.sampling.arrivals import relaxed_counts
from spiking_pvae.sampling.draws import Draws

def held(key):  # bytes
    with open("/proc/self/status") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith(key))

indicator, rate = sys.argv[1], float(sys.argv[2])
relaxed_counts(torch.ones(2, 512), 0.05, indicator, Draws(seed=0))
rates = torch.full((8000, 512), rate)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts anew
before = held("VmRSS")
relaxed_counts(rates, 0.05, indicator, Draws(seed=0))
print(json.dumps([held("VmHWM") - before, rates.nbytes]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(("indicator", "rate"), [("cubic", 0.07), ("sigmoid", 20.0), ("cubic", 200.0)])
def test_memory_does_not_grow_with_the_rate(indicator, rate):
    """Counts and slopes take twice the rates' bytes; the tiles of a thread a few hundred kilobytes."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, indicator, str(rate)], stdout=subprocess.PIPE, text=True, check=True
    )
    peak, rates = json.loads(done.stdout)
    assert 1.9 * rates < peak < 2.3 * rates
