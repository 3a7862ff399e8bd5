"""
Your own images
===============

Anything that loads as an array, or a folder of images, becomes a data set.
"""

import tempfile
from pathlib import Path

import numpy as np
from skimage.data import camera

import spiking_pvae as sp

# Cut one photograph into 8 x 8 tiles and store them as a NumPy file.
photograph = camera().astype(np.float32) / 255
tiles = photograph.reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(-1, 8, 8)
tiles = tiles - tiles.mean((1, 2), keepdims=True)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "tiles.npy"
    np.save(path, tiles)
    data = sp.data.load(path)

print(f"{len(data.train)} images to train, {len(data.validation)} held out, shape {data.shape}")

model = sp.PoissonVAE(sp.ModelConfig(latents=16, beta=0.1), data.shape)
sp.fit(model, data, sp.TrainConfig(epochs=3, batch_size=100))
print(f"held-out R^2 {sp.evaluate(model, data.validation).r2:.2f}")
