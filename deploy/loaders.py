"""The readers of exports: what runs the files of each target. Optional packages are imported when one is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.traces import Runner
from spiking_pvae.deploy.hosts import LAVA, SANAFE


def load_nir(folder: Path, manifest: Manifest) -> Runner:
    """Read an exact NIR export with the package's interpreter."""
    from spiking_pvae.deploy.exporters.nir_files import load

    return load(folder, manifest)


def load_nirtorch(folder: Path, manifest: Manifest) -> Runner:
    """Read an exact NIR export with nirtorch."""
    from spiking_pvae.deploy.exporters.nir_files import load
    from spiking_pvae.deploy.exporters.nir_torch import execute

    return load(folder, manifest, execute=execute)


def load_snntorch(folder: Path, manifest: Manifest) -> Runner:
    """Rebuild snnTorch modules."""
    from spiking_pvae.deploy.exporters.snntorch_files import load

    return load(folder, manifest)


def load_lava(folder: Path, manifest: Manifest) -> Runner:
    """Run the exported Lava processes."""
    from spiking_pvae.deploy.exporters.lava_files import LavaRunner

    return LavaRunner(folder=folder, manifest=manifest, run_program=LAVA.run_program)


def load_stock(folder: Path, manifest: Manifest) -> Runner:
    """Run the exported network on Lava's stock processes."""
    from spiking_pvae.deploy.exporters.stock_files import StockRunner

    return StockRunner(folder=folder, manifest=manifest, run_program=LAVA.run_program)


def load_netx(folder: Path, manifest: Manifest) -> Runner:
    """Run ``.net`` files by lava-dl."""
    from spiking_pvae.deploy.exporters.netx_files import NetxRunner

    return NetxRunner(folder=folder, manifest=manifest, run_program=LAVA.run_program)


def load_sanafe(folder: Path, manifest: Manifest) -> Runner:
    """Run the exported architecture and mapped network on SANA-FE."""
    from spiking_pvae.deploy.exporters.sanafe_files import SanafeRunner

    return SanafeRunner(folder=folder, manifest=manifest, run_program=SANAFE.run_program)


LOADERS: dict[str, Callable[[Path, Manifest], Runner]] = {
    "nir": load_nir,
    "snntorch": load_snntorch,
    "lava": load_lava,
    "lava-stock": load_stock,
    "netx": load_netx,
    "netx-cuba": load_netx,
    "sanafe": load_sanafe,
}
"""The reader of each export target."""
