"""Pages are complete: sections and figures are there, nothing is fetched, everything has a text for screen readers."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from spiking_pvae.cli.main import main

SECTIONS = {
    "run": [
        "summary",
        "learned",
        "reconstructions",
        "spikes",
        "fidelity",
        "energy",
        "metabolic",
        "hardware",
        "provenance",
    ],
    "sweep": ["summary", "claims", "figures", "fronts", "theory", "table", "provenance"],
}
FIGURES = {
    "run": ["raster", "rates", "training", "gap", "metabolic"],
    "sweep": [
        *(f"figure-{n}" for n in range(1, 6)),
        "pie-zeros",
        "pie-joules",
        "front-joules",
    ],
}
VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """What a page holds, and whether its elements close."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.open, self.images, self.links, self.buttons = [], [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.note(tag, attributes)

    def handle_startendtag(self, tag, attributes):
        self.note(tag, dict(attributes))

    def note(self, tag, attributes):
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "img":
            self.images.append(attributes)
        for name in ("href", "src", "xlink:href"):
            if name in attributes:
                self.links.append(attributes[name])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A run and a sweep of small images, as files."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    images = (rng.poisson(0.5, (400, 6)) @ rng.normal(size=(6, 64))).reshape(-1, 8, 8).astype(np.float32)
    np.save(folder / "images.npy", images)
    data = ["--data", str(folder / "images.npy"), "--quiet", "--json"]
    small = ["--epochs", "1", "--batch-size", "50", "--latents", "12"]
    assert main(["run", "--out", str(folder / "a & b"), *data, *small]) == 0
    grid = ["--latents", "4", "8", "--betas", "0.1", "1", "4", "--cold-betas", "1", "--cold-latents", "4"]
    epochs = ["--first-epochs", "1", "--next-epochs", "1", "--cold-epochs", "1", "--batch-size", "100"]
    assert main(["sweep", "--out", str(folder / "sweep"), "--samples", "20", *data, *grid, *epochs]) == 0
    return {"run": folder / "a & b" / "report.html", "sweep": folder / "sweep" / "report.html"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "sweep"])
class TestPage:
    def test_sections_and_figures_are_there(self, pages, kind):
        page = Page(pages[kind].read_text(encoding="utf-8"))
        assert not page.open
        assert set(SECTIONS[kind]) <= set(page.ids)
        for figure in FIGURES[kind]:
            assert any(name.startswith(figure) and name.endswith("-t") for name in page.ids), figure

    def test_ids_are_unique_and_references_resolve(self, pages, kind):
        page = Page(pages[kind].read_text(encoding="utf-8"))
        assert len(page.ids) == len(set(page.ids))
        inner = [link[1:] for link in page.links if link.startswith("#")]
        assert set(inner) <= set(page.ids)

    def test_nothing_is_asked_of_the_network(self, pages, kind):
        text = pages[kind].read_text(encoding="utf-8")
        page = Page(text)
        assert all(link.startswith(("#", "data:")) for link in page.links)
        assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", text)

    def test_every_image_has_a_text(self, pages, kind):
        text = pages[kind].read_text(encoding="utf-8")
        assert all(image["alt"] for image in Page(text).images)
        assert text.count("<svg") == text.count('role="img"') == text.count("<desc")
        assert '<html lang="en">' in text

    def test_a_browser_shows_it_without_an_error_and_without_sideways_scrolling(self, pages, kind, tmp_path):
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser is None:
            pytest.skip("no Chromium here: apt-get install chromium")
        probe = (
            "<script>addEventListener('error', e => document.title = 'failed ' + e.message);"
            "addEventListener('load', () => { const o = document.querySelector('.order');"
            "if (o) { o.value = 'rate'; o.dispatchEvent(new Event('change')); }"
            "document.querySelector('table.sortable th button').click();"
            "const empty = [...document.querySelectorAll('figure svg, figure img')].filter("
            "e => e.getBoundingClientRect().height < 4).length;"
            "document.title = [innerWidth, document.documentElement.scrollWidth, empty].join(' '); });</script>"
        )
        copy = tmp_path / "page.html"
        copy.write_text(pages[kind].read_text(encoding="utf-8").replace("</head>", probe + "</head>"), encoding="utf-8")
        options = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
        options += " --disable-component-update --disable-sync --enable-logging=stderr --window-size=400,900"
        command = [browser, *options.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", copy.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert "CONSOLE" not in done.stderr
        title = re.search(r"<title>(.*?)</title>", done.stdout)[1]
        width, scroll, empty = map(int, title.split())
        assert scroll <= width <= 500
        assert empty == 0
