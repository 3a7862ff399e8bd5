"""Names that are imported on first use, so that importing a package is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def lazy_attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module-level ``__getattr__`` (PEP 562).

    A function may have the name of the module that defines it (``simulate`` in ``deploy/simulate.py``). Importing that
    module binds it to the package, where it would hide the function from then on, so the package keeps the function
    instead; the module stays in reach as ``from spiking_pvae.deploy.simulate import ...``.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to str
        Public name to the module that defines it; a name that is its own module ends its home.
    """

    class Package(ModuleType):
        def __setattr__(self, name: str, value: object) -> None:
            if isinstance(value, ModuleType) and homes.get(name) == value.__name__ == f"{package}.{name}":
                value = getattr(value, name, value)
            super().__setattr__(name, value)

    sys.modules[package].__class__ = Package

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module '{package}' has no attribute '{name}'; it has {', '.join(sorted(homes))}")
        module = import_module(home)
        return module if home == f"{package}.{name}" and not hasattr(module, name) else getattr(module, name)

    return find
