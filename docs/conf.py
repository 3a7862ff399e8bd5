"""Sphinx configuration; the reference pages are generated from the package itself at every build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import generate  # the file beside this one

from spiking_pvae import __version__

project = "spiking-pvae"
author = "The spiking-pvae developers"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "reference/_generated/*.md"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "fieldlist", "attrs_block"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_ivar = True
html_theme = "furo"
html_title = f"spiking-pvae {release}"
html_static_path = ["_static"]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/[a-z]\w*\.py$",
    "abort_on_example_error": True,
    "show_memory": False,
    "download_all_examples": False,
    "plot_gallery": True,
}


def keep_bars(*event: Any) -> None:
    """Show |x| in docstrings as an absolute value, where reStructuredText would look for a substitution."""
    lines: list[str] = event[-1]
    lines[:] = [line if "`" in line else line.replace("|", "\\|") for line in lines]


def setup(app: Sphinx) -> None:
    """Write the generated pages before Sphinx reads the sources."""
    app.connect("autodoc-process-docstring", keep_bars, priority=400)
    generate.write(Path(__file__).parent / "reference" / "_generated")
