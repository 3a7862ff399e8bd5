"""The connection to a Dask cluster, or the reason why there is none."""

from __future__ import annotations

from typing import Any

from spiking_pvae.errors import InputError


def connect(address: str, timeout: str | int) -> Any:
    """Return a client of the scheduler at `address`; leaving its context closes it.

    Raises
    ------
    InputError
        Dask is not installed, or no scheduler answers within `timeout` (seconds, or text with a unit).
    """
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
