"""The public names of the packages stay what they are, whatever is imported first."""

import subprocess
import sys

import pytest

PACKAGES = ("spiking_pvae", "spiking_pvae.deploy")


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_survive_the_import_of_their_modules(package):
    code = f"""
import importlib, {package} as p
homes = p._HOME
for name, home in homes.items():
    importlib.import_module(home)
first = [getattr(p, name) for name in p.__all__]
second = [getattr(p, name) for name in p.__all__]
assert first == second
for name, home in homes.items():
    module = importlib.import_module(home)
    if hasattr(module, name):
        assert getattr(p, name) is getattr(module, name), name
"""
    subprocess.run([sys.executable, "-c", code], check=True)
