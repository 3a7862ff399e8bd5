"""
Lava round trip
===============

The whole network, stochastic latents included, as a Lava process; run in Lava's own CPU simulator it must give the same
spikes. Lava needs an environment of its own, which ``make backends`` builds and names.
"""

import spiking_pvae as sp
from spiking_pvae.deploy.backends import chosen
from spiking_pvae.deploy.export import random_messages
from spiking_pvae.deploy.verify import verify

data = sp.data.load("digits")
model = sp.PoissonVAE(sp.ModelConfig(latents=8), data.shape)
sp.fit(model, data, sp.TrainConfig(epochs=1, batch_size=100))
network = sp.deploy.convert(model, data.calibration())

messages = random_messages(network, samples=2, seed=0)
for verdict in verify(network, messages, backends=chosen(("lava",)), schedules=("graded",)):
    print(f"{verdict.name}: {verdict.status} {verdict.reason}")
    assert verdict.status == "equal"
