"""The connection to a Dask cluster, or the reason why there is none."""

from __future__ import annotations

from typing import Any

from spiking_pvae.errors import InputError


def require_address(address: str) -> None:
    """Refuse a text that can't be the address of a scheduler.

    Raises
    ------
    InputError
        It names no port.
    """
    if ":" not in address:
        raise InputError("scheduler", given=repr(address), allowed="an address such as tcp://host:8786")


def connect(address: str, timeout: str | int) -> Any:
    """Return a client of the scheduler at `address`; leaving its context closes it.

    Raises
    ------
    InputError
        It is no address, Dask is not installed, or no scheduler answers within `timeout` (seconds, or text with a
        unit).
    """
    require_address(address)
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "scheduler", given=address, allowed="nothing, without Dask", remedy="pip install 'spiking-pvae[dask]'"
        ) from None
    try:
        return Client(address, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            "scheduler", given=f"{address} ({error})", allowed="the address of a running Dask scheduler"
        ) from error
