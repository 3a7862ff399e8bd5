"""Install the built wheel in a fresh environment and use it from another folder.

Usage: python tests/wheel_smoke.py DIST
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    (wheel,) = Path(sys.argv[1]).resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        venv.create(home / "env", with_pip=True)
        python = home / "env" / "bin" / "python"
        constraints = ROOT / "constraints.txt"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel], check=True)

        def call(*arguments: str) -> dict[str, object]:
            done = subprocess.run(
                [python, "-m", "spiking_pvae", *arguments, "--json", "--quiet"],
                check=True,
                cwd=home,
                stdout=subprocess.PIPE,
                text=True,
            )
            result: dict[str, object] = json.loads(done.stdout)
            return result

        ran = call("run", "--out", "run", "--data", "digits", "--latents", "16", "--epochs", "2")
        presets = call("hardware")["presets"]
        assert isinstance(presets, list)
        assert len(presets) >= 10, "energy presets are missing from the wheel"
        energy = ran["energy"]
        assert isinstance(energy, dict)
        assert energy["joules_per_inference"]["value"] > 0
        print(f"{wheel.name}: installed and used, {len(presets)} presets")  # noqa: T201 - the result of the script


if __name__ == "__main__":
    main()
