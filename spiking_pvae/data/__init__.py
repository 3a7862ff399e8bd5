"""Data sets: natural-image patches, digits, and the user's own files, all as one `Dataset`."""

from __future__ import annotations

from spiking_pvae.data.entries import PATHS, Entry, catalog
from spiking_pvae.data.loading import load
from spiking_pvae.data.natural_config import NaturalConfig
from spiking_pvae.data.summary import Statistics, statistics

__all__ = ["PATHS", "Entry", "NaturalConfig", "Statistics", "catalog", "load", "statistics"]
