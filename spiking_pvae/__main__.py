"""``python -m spiking_pvae``: the same program as ``spiking-pvae``."""

from spiking_pvae.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
