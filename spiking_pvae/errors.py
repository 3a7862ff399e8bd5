"""Errors that say what was given, what is allowed and what to do."""

from __future__ import annotations


class SpikingPvaeError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(SpikingPvaeError, ValueError):
    """The user's input can't be used.

    Parameters
    ----------
    what : str
        The thing that is wrong: an argument, a file, a layer.
    given : object
        What was given.
    allowed : str
        What would be accepted.
    remedy : str, optional
        What to do now.
    """

    def __init__(self, what: str, *, given: object, allowed: str, remedy: str = "") -> None:
        self.what = what
        self.given = given
        self.allowed = allowed
        self.remedy = remedy
        message = f"{what}: got {given}; allowed: {allowed}."
        super().__init__(f"{message} {remedy}".strip())


class LimitError(SpikingPvaeError, OverflowError):
    """An integer leaves the range of its hardware format.

    Parameters
    ----------
    layer : str
        Layer where it happens.
    limit : str
        Name and range of the format.
    value : object
        The value that does not fit.
    remedy : str
        What to change.
    """

    def __init__(self, layer: str, *, limit: str, value: object, remedy: str) -> None:
        self.layer = layer
        self.limit = limit
        self.value = value
        self.remedy = remedy
        super().__init__(f"layer '{layer}': {value} exceeds {limit}. {remedy}")


class UnsupportedError(SpikingPvaeError, TypeError):
    """A module or layer has no form on the hardware.

    Parameters
    ----------
    what : str
        Name and type of the thing.
    nearest : str
        The nearest supported form.
    """

    def __init__(self, what: str, *, nearest: str) -> None:
        self.what = what
        self.nearest = nearest
        super().__init__(f"{what} can't be converted. Nearest supported form: {nearest}.")


class DamagedFileError(SpikingPvaeError, ValueError):
    """A file is truncated, edited, foreign or of a newer version.

    Parameters
    ----------
    path : object
        The file.
    reason : str
        What is wrong with it.
    remedy : str, optional
        What to do now.
    """

    def __init__(self, path: object, reason: str, remedy: str = "") -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason} {remedy}".strip())


class BackendError(SpikingPvaeError, RuntimeError):
    """A backend outside this process failed.

    Parameters
    ----------
    backend : str
        Its name.
    reason : str
        How it ended.
    output : str
        What it printed; the last lines are shown.
    """

    def __init__(self, backend: str, *, reason: str, output: str) -> None:
        self.backend = backend
        self.reason = reason
        self.output = output
        last = "\n".join(output.strip().splitlines()[-12:])
        super().__init__(f"backend '{backend}' {reason}. Its last lines:\n{last}")
