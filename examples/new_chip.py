"""
A new chip in TOML
==================

Prices are data: a chip is added without code, and its energy is compared with the shipped presets on one record.
"""

from pathlib import Path

import spiking_pvae as sp

data = sp.data.load("digits")
model = sp.PoissonVAE(sp.ModelConfig(latents=32, beta=1.0), data.shape)
sp.fit(model, data, sp.TrainConfig(epochs=2, batch_size=100))
network = sp.deploy.convert(model, data.calibration())
record = sp.deploy.simulate(network, data.validation.images[:100])

own = Path("my_chip.toml")  # beside this script
for hardware in (own, "loihi_davies2018", "loihi_sanafe", "truenorth"):
    report = sp.energy.estimate(network, record, hardware)
    print(f"{report.hardware:20} {report.joules_per_inference.value * 1e9:8.2f} nJ an inference")
