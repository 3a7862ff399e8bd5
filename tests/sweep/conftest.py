"""The tiny sweep of these tests."""

import pytest
from tiny import tiny_grid, tiny_images


@pytest.fixture(scope="session")
def images():
    return tiny_images()


@pytest.fixture(scope="session")
def grid():
    return tiny_grid()
