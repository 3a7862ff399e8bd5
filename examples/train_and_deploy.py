"""
Train and deploy in thirty lines
================================

From images to a trained Poisson VAE, to an integer spiking network, to joules.
"""

import spiking_pvae as sp

data = sp.data.load("digits")
model = sp.PoissonVAE(sp.ModelConfig(latents=32, beta=1.0), data.shape)
run = sp.fit(model, data, sp.TrainConfig(epochs=5, batch_size=100))
held_out = sp.evaluate(model, data.validation)
print(f"-ELBO {held_out.nelbo:.1f} = error {held_out.mse:.1f} + KL {held_out.kl:.1f} nats")
print(f"{held_out.spikes_per_inference:.1f} spikes an inference, {held_out.proportion_zeros:.0%} of the latents silent")

# %%
# The integer network has 8-bit weights and emits exactly Poisson-distributed counts.

network = sp.deploy.convert(model, data.calibration())
record = sp.deploy.simulate(network, data.validation.images, seed=0)
report = sp.energy.estimate(network, record, "loihi_davies2018")
whole = report.joules_per_inference
print(f"{whole.value * 1e9:.1f} nJ an inference ({whole.low * 1e9:.1f} .. {whole.high * 1e9:.1f})")
print(f"{report.kl_nats:.1f} nats, so {report.joules_per_nat * 1e9:.2f} nJ a nat")

# %%
# What the first latents learned: columns of the decoder, as images.

import matplotlib.pyplot as plt  # noqa: E402

figure, axes = plt.subplots(2, 8, figsize=(8, 2.2), layout="constrained")
for atom, axis in zip(model.dictionary().detach().numpy().T, axes.flat, strict=False):
    axis.imshow(atom.reshape(data.shape[1:]), cmap="gray")
    axis.axis("off")
