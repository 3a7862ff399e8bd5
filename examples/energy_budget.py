"""
An energy budget
================

How good can a code be that costs at most so many joules? beta is the price of a nat, and so of the spikes: the search
raises it while an inference costs more than the budget, lowers it while it costs less, and ends within 5% of it.
"""

from dataclasses import replace

import spiking_pvae as sp

BUDGET_J = 38e-9  # an inference, all of the network

data = sp.data.load("digits")
config = sp.ModelConfig(latents=32)
models = {}


def measure(beta):
    """Train on at a beta, from the nearest smaller one, and price the integer network on held-out digits."""
    model = sp.PoissonVAE(replace(config, beta=beta), data.shape)
    if models:
        start = models[max((tried for tried in models if tried <= beta), default=min(models))]
        model.load_state_dict(start.state_dict())
    sp.fit(model, data, sp.TrainConfig(epochs=4, batch_size=100, beta_warmup=0.0 if models else 0.3))
    models[beta] = model
    network = sp.deploy.convert(model, data.calibration())
    record = sp.deploy.simulate(network, data.validation.images)
    report = sp.energy.estimate(network, record, "loihi_davies2018")
    found = sp.energy.Measured(
        beta=beta, joules=report.joules_per_inference.value, latent_joules=float(report.latents.joules.sum())
    )
    print(
        f"beta {beta:5.2f}: {found.joules * 1e9:6.2f} nJ, squared error {sp.evaluate(model, data.validation).mse:5.2f}"
    )
    return found


outcome = sp.energy.meet_budget(measure, BUDGET_J, measure(1.0))
print(f"budget {'met' if outcome.met else 'not met'}. {outcome.reason}")
print(f"With silent latents an inference takes {outcome.least * 1e9:.2f} nJ: fewer synapses make that less.")
