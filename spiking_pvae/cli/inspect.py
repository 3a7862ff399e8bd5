"""``spiking-pvae inspect``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.errors import InputError
from spiking_pvae.types import Split

if TYPE_CHECKING:
    from spiking_pvae.analysis import Dictionary
    from spiking_pvae.model import VAE
    from spiking_pvae.plots.style import Drawing
    from spiking_pvae.types import Dataset, FloatArray

SHOWN = 16
"""Images of a row of reconstructions; twice as many are shown."""
ATOMS = 256
"""Atoms of the dictionary that are drawn."""
SPLIT_WORDS: dict[Split, str] = {"train": "training", "val": "held-out", "test": "test"}
LABELS = (50, 200, 1000, 5000)
"""Numbers of labels at which nearest neighbours are tried, and all labels."""


@dataclass(frozen=True, kw_only=True)
class Inspect(Command):
    """Look into a trained model: pictures, and a table of its latents.

    Writes reconstructions, samples of the prior, the dictionary sorted by KL and the ablation curve as PNG and SVG, and
    inspect.json: every latent with its KL, rate and atom, the dead ones, the curve, and nearest neighbours where the
    data has labels.

    Example: spiking-pvae inspect runs/first --out first-look
    """

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path | None = None
    """Folder to write; inspect in the run folder if not given."""
    data: str | None = None
    """Other data than the run's: a name or a path."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    split: Split = "val"
    """Which images."""
    samples: int = 2000
    """Images at most, from the first on."""
    seed: int = 0
    """Seed of the draws and of the choice of labelled images."""
    force: bool = False
    """Write into a folder that holds files."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Compute, draw, write and print."""
        from spiking_pvae import analysis
        from spiking_pvae.checkpoint import load_run, prepare_folder
        from spiking_pvae.plots.write import save
        from spiking_pvae.storage import write_json

        if self.samples < 1:
            raise InputError("samples", given=self.samples, allowed="an integer of at least 1")
        run = load_run(self.run)
        out = self.out or self.run / "inspect"
        prepare_folder(out, force=self.force)
        dataset = load_data(self.data or run.data, self.data_folder, terminal)
        images = dataset.split(self.split).images[: self.samples]
        model = run.model
        terminal.say(f"Looking at {model.config.latents} latents through {len(images)} images")
        words = analysis.dictionary(model, images)
        kept = kept_numbers(model.config.latents)
        error = analysis.ablation_curve(model, images, words.latents, kept, seed=self.seed)
        rate = analysis.codes(model, images).mean(0)
        latents = [
            {"latent": int(i), "kl": float(kl), "mean": float(rate[i]), "atom_norm": float((atom**2).sum() ** 0.5)}
            for i, kl, atom in zip(words.latents, words.kl, words.atoms, strict=True)
        ]
        shown = drawings(model, images, words, kept, error, split=self.split, seed=self.seed)
        pictures = [str(save(each, out)[0]) for each in shown]
        result = {
            "run_dir": str(self.run),
            "out": str(out),
            "samples": len(images),
            "latents": latents,
            "dead_latents": analysis.dead_latents(model, images).tolist(),
            "ablation": [{"kept": n, "mse": float(e)} for n, e in zip(kept, error, strict=True)],
            "knn": neighbours(model, dataset, self.seed),
            "pictures": pictures,
        }
        write_json(out / "inspect.json", result)
        terminal.emit(result, summary(result))
        return result


def kept_numbers(latents: int) -> list[int]:
    """Return 0, the powers of two below the number of latents, and that number."""
    return [0, *(1 << power for power in range(latents.bit_length()) if 1 << power < latents), latents]


def drawings(
    model: VAE, images: FloatArray, words: Dictionary, kept: list[int], error: Any, *, split: Split, seed: int
) -> list[Drawing]:
    """Draw the four figures."""
    import numpy as np

    from spiking_pvae import analysis
    from spiking_pvae.plots.inspection import ablation, image_grid

    shown = images[: 2 * SHOWN]
    columns = min(SHOWN, len(shown))
    rebuilt, drawn = analysis.reconstruct(model, shown), analysis.reconstruct(model, shown, seed=seed)
    rows = [
        part[start : start + columns] for start in range(0, len(shown), columns) for part in (shown, rebuilt, drawn)
    ]
    whole = [row for row in rows if len(row) == columns]
    atoms = words.atoms[:ATOMS]
    scale = np.abs(atoms).max((1, 2, 3), keepdims=True)
    return [
        image_grid(
            "reconstructions",
            "Images, their reconstructions from the posterior means, and from one draw",
            f"Rows in threes: {columns} {SPLIT_WORDS[split]} images, decoded posterior means, one decoded draw of the "
            "latents.",
            np.concatenate(whole),
            columns,
        ),
        image_grid(
            "prior",
            "Samples of the prior",
            "Images decoded from draws of the prior.",
            analysis.sample_prior(model, 4 * SHOWN, seed=seed),
            SHOWN,
        ),
        image_grid(
            "dictionary",
            f"What one spike of a latent adds, by falling KL: {len(atoms)} of {len(words.atoms)}",
            "Atoms of the decoder, each on its own scale; the most informative latent is at the top left.",
            (atoms / np.where(scale > 0, scale, 1)).astype(np.float32),
            SHOWN,
            signed=True,
        ),
        ablation(kept, error),
    ]


def neighbours(model: VAE, dataset: Dataset, seed: int) -> list[dict[str, Any]]:
    """Classify by nearest neighbours where there are labels."""
    from spiking_pvae.neighbours import NEIGHBOURS, neighbour_accuracy

    count = len(dataset.train)
    if dataset.train.labels is None or dataset.validation.labels is None or count < NEIGHBOURS:
        return []
    labels = [*(number for number in LABELS if number < count), count]
    return [accuracy.to_json() for accuracy in neighbour_accuracy(model, dataset, labels, seed=seed)]


def summary(result: dict[str, Any]) -> Any:
    """Build the table."""
    best, last = result["latents"][0], result["ablation"][-1]
    rows = [
        ("latents, dead", f"{len(result['latents'])}, {len(result['dead_latents'])}"),
        ("most informative", f"latent {best['latent']}: {best['kl']:.3g} nats, mean {best['mean']:.3g}"),
        ("error in silence, with all", f"{result['ablation'][0]['mse']:.4g}, {last['mse']:.4g}"),
        *((f"nearest neighbours, {e['labels']:,} labels", f"{100 * e['accuracy']:.1f} %") for e in result["knn"]),
        ("written", result["out"]),
    ]
    return table("Inside the model", ("", "value"), rows)
