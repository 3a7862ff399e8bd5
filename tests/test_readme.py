"""What the README shows is there and true: links, pictures, badges, commands, versions."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from spiking_pvae import __version__
from spiking_pvae.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def badges():
    spec = importlib.util.spec_from_file_location("badges", ROOT / "docs" / "badges.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.badges()


def test_badges_say_what_the_package_says():
    drawn = badges()
    assert {name for name in drawn if f"docs/images/{name}" in TEXT} == set(drawn)
    for name, svg in drawn.items():
        assert (ROOT / "docs" / "images" / name).read_text(encoding="utf-8") == svg, "python docs/badges.py"
    assert f"version: {__version__}" in drawn["badge-version.svg"]


def test_links_and_pictures_are_there():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 8
    for link in links:
        assert link.startswith("https://arxiv.org/") or (ROOT / link).is_file(), link


def test_every_command_and_option_of_the_readme_exists():
    from spiking_pvae.cli import main as program

    used = re.findall(r"^\$ spiking-pvae (\w+)(.*)$", TEXT, re.MULTILINE)
    quoted = [code.partition(" ") for code in re.findall(r"`([^`\n]+)`", TEXT)]
    used += [(name, rest) for name, _, rest in quoted if name in COMMANDS]
    assert len(used) >= 18
    for name, rest in used:
        assert name in COMMANDS
        module = importlib.import_module(f"spiking_pvae.cli.{name}")
        fields = set()
        kinds = [getattr(module, program.COMMANDS[name][0])]
        while kinds:
            for field in kinds.pop().__dataclass_fields__.values():
                fields.add(field.name)
                if hasattr(field.default_factory, "__dataclass_fields__"):
                    kinds.append(field.default_factory)
        for option in re.findall(r"--([a-z-]+)", rest.partition("#")[0]):
            assert option.replace("-", "_") in fields, f"{name} --{option}"


@pytest.mark.parametrize("file", ["README.md", "CITATION.cff"])
def test_the_version_to_cite_is_the_packages(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.findall(r"^\s*version(?:: | = \{)([\d.]+)", text, re.MULTILINE) == [__version__]


def test_the_extras_of_the_readme_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {each for group in re.findall(r"'\.\[([a-z0-9,]+)\]'", TEXT) for each in group.split(",")}
    assert named
    assert named <= set(extras)
