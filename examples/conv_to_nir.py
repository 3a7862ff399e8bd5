"""
A convolutional encoder to NIR
==============================

The integer network leaves the package as a NIR graph of standard nodes, with golden traces beside it, and its reader
computes the same integers.
"""

import tempfile
from pathlib import Path

import spiking_pvae as sp
from spiking_pvae.deploy.export import export
from spiking_pvae.deploy.verify import verify_export

data = sp.data.load("digits")
config = sp.ModelConfig(encoder="conv", depth=1, channels=4, latents=16)
model = sp.build_model(config, data.shape)
sp.fit(model, data, sp.TrainConfig(epochs=2, batch_size=100))
network = sp.deploy.convert(model, data.calibration())
print("layers:", ", ".join(f"{layer.name} ({layer.neurons})" for layer in network.layers))

with tempfile.TemporaryDirectory() as folder:
    messages = network.input.encode(data.validation.images[:8])
    written = export(network, "nir", Path(folder) / "nir", messages=messages)
    manifest, comparison = verify_export(Path(folder) / "nir")
    print(f"{written.file.name}, sha256 {written.sha256[:16]}...")
    print(f"{comparison.compared} integers compared with the golden traces, {comparison.mismatches} differ")
