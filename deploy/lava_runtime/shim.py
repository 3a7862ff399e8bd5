"""Makes lava-nc 0.10.0 and lava-dl 0.6.0 importable on Python 3.11 and later, without torch.

Runs in the interpreter that has Lava, which need not have this package; nothing here is imported by the package.

- `lava.magma.compiler.var_model` has dataclasses whose defaults are instances of other dataclasses. Python 3.11 refuses
  defaults that can't be hashed, so that those classes get the identity hash while they are defined.
- `lava.lib.dl.netx` imports parts of `lava.lib.dl.slayer`, which import torch, for neuron types that are not used here.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from importlib.util import find_spec
from pathlib import Path

_dataclass = dataclasses.dataclass


def _hashable_dataclass(cls=None, /, **options):
    """Decorate as `dataclasses.dataclass` does, with Lava's instances allowed as defaults."""

    def wrap(decorated):
        for value in vars(decorated).values():
            kind = type(value)
            if kind.__module__.startswith("lava.") and kind.__hash__ is None:
                kind.__hash__ = object.__hash__
        return _dataclass(decorated, **options)

    return wrap if cls is None else wrap(cls)


def prepare_lava() -> None:
    """Import the part of Lava whose dataclasses need help."""
    dataclasses.dataclass = _hashable_dataclass
    try:
        import lava.magma.compiler.var_model  # noqa: F401
    finally:
        dataclasses.dataclass = _dataclass


def prepare_netx() -> None:
    """Stand in for the modules of lava-dl that need torch."""
    root = next(iter(find_spec("lava.lib.dl").submodule_search_locations))
    slayer = "lava.lib.dl.slayer"
    for name in (slayer, f"{slayer}.neuron", f"{slayer}.neuron.rf", "lava.lib.dl.netx.sequential_modules"):
        module = types.ModuleType(name)
        module.__path__ = [str(Path(root) / name.removeprefix("lava.lib.dl.").replace(".", "/"))]
        module.__file__ = f"{module.__path__[0]}/__init__.py"
        sys.modules[name] = module
    sys.modules[f"{slayer}.neuron.rf"].neuron_params = None
