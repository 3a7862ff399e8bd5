"""Run the importers of NIR on one neuron and write the table that comes with `nir-compat` exports.

Usage: .venv-crosscheck/bin/python benchmarks/nir_importers.py
(`make backends` installs the importers that want other versions of shared packages into .venv-crosscheck)
"""

import json
from pathlib import Path

from spiking_pvae.deploy.exporters.nir_probe import IMPORTERS, probe

TABLE = Path(__file__).resolve().parents[1] / "deploy" / "exporters" / "nir_importers.json"

if __name__ == "__main__":
    rows = [probe(name) for name in sorted(IMPORTERS)]
    about = "How importers read a NIR IF, found by running them: python benchmarks/nir_importers.py"
    TABLE.write_text(json.dumps({"about": about, "importers": rows}, indent=2) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))
