"""
An energy budget
================

How good can a code be that costs at most so many joules? Along beta each model is cheaper and worse than the one
before; the answer is the first that the budget allows.
"""

from dataclasses import replace

import spiking_pvae as sp

BUDGET_J = 2e-9  # for the messages of the latents, an inference

data = sp.data.load("digits")
config = sp.ModelConfig(latents=32)
weights = None
for beta in (0.1, 0.3, 1.0, 3.0, 10.0):
    model = sp.PoissonVAE(replace(config, beta=beta), data.shape)
    if weights is not None:
        model.load_state_dict(weights)  # go on from the model before
    sp.fit(model, data, sp.TrainConfig(epochs=4, batch_size=100, beta_warmup=0.0 if weights else 0.3))
    weights = model.state_dict()
    network = sp.deploy.convert(model, data.calibration())
    record = sp.deploy.simulate(network, data.validation.images)
    joules = sp.energy.estimate(network, record, "loihi_davies2018").latents.joules.sum()
    error = sp.evaluate(model, data.validation).mse
    print(f"beta {beta:5.2f}: latents {joules * 1e9:5.2f} nJ an inference, squared error {error:5.2f}")
    if joules <= BUDGET_J:
        print(f"within the budget of {BUDGET_J * 1e9:g} nJ")
        break
