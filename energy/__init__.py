"""From spike counts to joules, beside the KL-derived metabolic term."""

from __future__ import annotations

from spiking_pvae.deploy.fanout import dense_macs, fan_out
from spiking_pvae.deploy.mapping import CoreMesh
from spiking_pvae.energy.band import Band, Interval
from spiking_pvae.energy.baselines import Baseline, baselines
from spiking_pvae.energy.budget import BudgetOutcome, Measured, meet_budget
from spiking_pvae.energy.coefficients import Coefficient, Preset
from spiking_pvae.energy.estimate import estimate
from spiking_pvae.energy.library import list_presets, load_preset
from spiking_pvae.energy.metabolic import Metabolic, Regression, metabolic, regress, silence_curve
from spiking_pvae.energy.pricing import charge
from spiking_pvae.energy.report import EnergyReport, LatentEnergy
from spiking_pvae.energy.synops import LayerOps, SynOps, count
from spiking_pvae.energy.terms import TERMS, Term

__all__ = [
    "TERMS",
    "Band",
    "Baseline",
    "BudgetOutcome",
    "Coefficient",
    "CoreMesh",
    "EnergyReport",
    "Interval",
    "LatentEnergy",
    "LayerOps",
    "Measured",
    "Metabolic",
    "Preset",
    "Regression",
    "SynOps",
    "Term",
    "baselines",
    "charge",
    "count",
    "dense_macs",
    "estimate",
    "fan_out",
    "list_presets",
    "load_preset",
    "meet_budget",
    "metabolic",
    "regress",
    "silence_curve",
]
