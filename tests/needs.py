"""What a test needs beside the package: skipped where it is missing, unless everything is required."""

import os

import pytest

REQUIRED = os.environ.get("SPIKING_PVAE_REQUIRE_EXTRAS") == "1"
"""Set where the tests must not skip: in continuous integration."""


def needed(found, what, install):
    """Go on if `found`; skip the test otherwise, or fail it where everything is required."""
    if not found:
        (pytest.fail if REQUIRED else pytest.skip)(f"{what} is missing: {install}")
