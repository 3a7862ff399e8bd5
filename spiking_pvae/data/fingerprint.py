"""Hashes that name a recipe or a content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


def recipe_hash(recipe: Mapping[str, object]) -> str:
    """Hash a recipe: everything that decides what the images will be.

    Parameters
    ----------
    recipe : mapping
        Names and JSON-serialisable values; their order does not matter.

    Returns
    -------
    str
        SHA-256 of the recipe's canonical JSON, 64 hexadecimal digits.
    """
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
