"""Pages are complete: sections and figures are there, nothing is fetched, everything has a text for screen readers."""

import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import COMMAND, Browser
from needs import needed

from spiking_pvae.cli.main import main
from spiking_pvae.storage import read_json

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
    "run": {"raster", "rates", "training", "gap", "metabolic"},
    "sweep": {
        "figure-1-divergences",
        "figure-1-joules",
        "figure-2-posteriors",
        "figure-2-joules",
        "figure-3-moments",
        "figure-3-joules",
        "figure-4-metabolic-cost",
        "figure-4-joules",
        "figure-5-zeros",
        "figure-5-joules",
        "pie-zeros",
        "pie-joules",
        "front-distortion",
        "front-joules",
    },
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
    small = ["--epochs", "1", "--batch-size", "50", "--latents", "12"]
    data = str(folder / "images.npy")
    assert main(["run", "--out", str(folder / "a & b"), "--data", data, "--quiet", "--json", *small]) == 0
    grid = ["--latents", "4", "8", "--betas", "0.1", "1", "4", "--cold-latents", "4", "--samples", "20"]
    epochs = ["--first-epochs", "1", "--next-epochs", "1", "--cold-epochs", "1", "--batch-size", "100"]
    out = ["--out", str(folder / "sweep"), "--data", data, "--quiet", "--json"]
    assert main(["sweep", *out, *grid, *epochs]) == 0
    return {"run": folder / "a & b" / "report.html", "sweep": folder / "sweep" / "report.html"}


@pytest.mark.slow
def test_provenance_names_the_weights_the_network_and_the_table(pages):
    run, sweep = (pages[kind].read_text(encoding="utf-8") for kind in ("run", "sweep"))
    folder = pages["run"].parent
    assert read_json(folder / "run.json")["model_sha256"] in run
    assert read_json(folder / "network" / "manifest.json")["arrays_sha256"] in run
    assert hashlib.sha256((pages["sweep"].parent / "results.csv").read_bytes()).hexdigest() in sweep
    assert "Python, torch, numpy, numba" in run


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "sweep"])
class TestPage:
    def test_sections_and_figures_are_there(self, pages, kind):
        page = Page(pages[kind].read_text(encoding="utf-8"))
        assert not page.open
        assert set(SECTIONS[kind]) <= set(page.ids)
        assert {name.removesuffix("-t") for name in page.ids if name.endswith("-t")} == FIGURES[kind]

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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    needed(COMMAND is not None, "Chromium", "apt-get install chromium")
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


CONTRAST = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour; }
    return "rgb(255, 255, 255)"; };
  return Math.min(...[...document.querySelectorAll("p, dt, dd, h1, h2, td, th, caption, figcaption, a, text, small")]
    .filter(e => e.textContent.trim() && !e.closest(".skip")).map(e => {
      const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05); })); })()"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "sweep"])
class TestInABrowser:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [400, 1000])
    def test_it_is_shown_whole_and_legible(self, pages, browser, kind, width, scheme):
        browser.show(width=width, scheme=scheme)
        browser.open(pages[kind])
        assert browser.complaints() == ([], [])
        inner, scroll = browser.run("[innerWidth, document.documentElement.scrollWidth]")
        assert scroll <= inner == width
        empty = (
            "[...document.querySelectorAll('figure svg, figure img')].filter(e => e.getBoundingClientRect().height < 4)"
        )
        assert browser.run(f"{empty}.length") == 0
        assert browser.run("document.querySelectorAll('figure.chart svg').length") == len(FIGURES[kind])
        assert browser.run(CONTRAST) >= 4.5  # WCAG 2 AA for text
        paper = browser.run("getComputedStyle(document.body).backgroundColor")
        assert (int(re.search(r"\d+", paper)[0]) < 128) == (scheme == "dark")

    def test_it_prints_on_white_paper_without_losing_an_edge(self, pages, browser, kind):
        browser.show(width=718, scheme="dark", media="print")  # A4 without the margins, at 96 dpi
        browser.open(pages[kind])
        assert browser.run("document.documentElement.scrollWidth") <= 718
        wide = "[...document.querySelectorAll('table')].filter(e => e.getBoundingClientRect().right > 718).length"
        assert browser.run(wide) == 0
        assert browser.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.run("[...document.querySelectorAll('nav, select, .skip')].every(e => !e.offsetParent)")
        printed = browser.pdf()
        assert printed.startswith(b"%PDF")
        assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20
        browser.show()

    def test_a_screen_reader_finds_landmarks_names_and_headers(self, pages, browser, kind):
        browser.show()
        browser.open(pages[kind])
        tree = browser.tree()
        names = {}
        for role, name, _ in tree:
            names.setdefault(role, []).append(name)
        for landmark in ("banner", "main", "contentinfo"):
            assert len(names[landmark]) == 1
        assert names["navigation"] == ["Sections"]
        levels = [
            p["value"]["value"] for r, _, n in tree if r == "heading" for p in n["properties"] if p["name"] == "level"
        ]
        assert levels[0] == 1
        assert set(levels[1:]) == {2}
        assert set(names["heading"][1:]) <= set(names["region"])
        for role in ("image", "table", "figure", "link", "button", "region", "combobox"):
            assert all(name.strip() for name in names.get(role, [])), role
        headers = browser.run(
            "[...document.querySelectorAll('table')].map(t => [t.caption.textContent.trim().length,"
            " t.querySelectorAll('thead th[scope=col]').length, t.tHead.rows[0].cells.length,"
            " [...t.tBodies[0].rows].every(r => r.cells[0].scope === 'row')])"
        )
        assert len(headers) == len(names["table"])
        assert all(caption and columns == cells and rows for caption, columns, cells, rows in headers)

    def test_the_keyboard_goes_through_it_in_order(self, pages, browser, kind):
        browser.show()
        browser.open(pages[kind])
        browser.run("document.querySelectorAll('*').forEach((e, i) => e.dataset.at = i)")
        where = "(e => [+e.dataset.at, e.className, e.tagName, e.matches(':focus-visible')])(document.activeElement)"
        stops = []
        while not stops or stops[-1][2] != "BODY":
            browser.press("Tab")
            stops.append(browser.run(where))
            assert len(stops) < 200
        stops.pop()
        assert stops[0][1] == "skip"
        assert [at for at, *_ in stops] == sorted(at for at, *_ in stops)
        assert all(visible for *_, visible in stops)
        controls = "a[href], button, select, .scroll"
        assert len(stops) == browser.run(f"document.querySelectorAll('{controls}').length") + (kind == "run")
        browser.run("document.querySelector('table.sortable th button').focus()")
        browser.press("Enter")
        assert browser.run("document.querySelector('table.sortable th').ariaSort") == "descending"

    def test_columns_sort_by_value_and_atoms_by_the_chosen_key(self, pages, browser, kind):
        browser.show()
        browser.open(pages[kind])
        column = (
            "(() => { const t = [...document.querySelectorAll('table.sortable')]"
            ".sort((a, b) => a.rows.length - b.rows.length).at(-1);"
            " const n = t.tHead.rows[0].cells.length; t.tHead.rows[0].cells[n - 1].querySelector('button').click();"
            " return [...t.tBodies[0].rows].map(r => Number(r.cells[n - 1].dataset.key)); })()"
        )
        down, up = browser.run(column), browser.run(column)
        assert down == sorted(down, reverse=True)
        assert up == sorted(up)
        assert len(set(up)) > 1
        if kind == "run":
            rates = browser.run(
                "(() => { const o = document.querySelector('.order'); o.value = 'rate';"
                " o.dispatchEvent(new Event('change'));"
                " const atoms = [...document.querySelectorAll('li[data-keys]')];"
                " return atoms.map(e => JSON.parse(e.dataset.keys).rate); })()"
            )
            assert rates == sorted(rates, reverse=True)

    def test_what_is_no_number_sorts_last_both_ways(self, pages, browser, kind):
        browser.show()
        browser.open(pages[kind])
        column = (
            "(() => { const t = [...document.querySelectorAll('table.sortable')]"
            ".sort((a, b) => a.rows.length - b.rows.length).at(-1); const rows = [...t.tBodies[0].rows];"
            " if (!t.dataset.dashed) { t.dataset.dashed = 1; for (const i of [0, 2]) {"
            " rows[i].cells[1].removeAttribute('data-key'); rows[i].cells[1].textContent = '-'; } }"
            " t.tHead.rows[0].cells[1].querySelector('button').click();"
            " return [...t.tBodies[0].rows].map(r => r.cells[1].dataset.key ?? '-'); })()"
        )
        for falling in (True, False):
            *numbers, one, two = browser.run(column)
            assert one == two == "-"
            assert [float(n) for n in numbers] == sorted(map(float, numbers), reverse=falling)


@pytest.mark.slow
def test_arrow_keys_step_through_the_dictionary(pages, browser):
    browser.show()
    browser.open(pages["run"])
    items = "[...document.querySelectorAll('.atoms li[data-keys]')]"
    browser.run(f"{items}[0].focus()")
    last = browser.run(f"{items}.length") - 1
    keys = {"ArrowRight": 1, "ArrowDown": 2, "ArrowLeft": 1, "ArrowUp": 0, "End": last, "Home": 0}
    for key, place in keys.items():
        browser.press(key)
        at = browser.run(
            f"[{items}.indexOf(document.activeElement), document.activeElement.querySelector('img').alt ==="
            " document.querySelector('.hint').textContent, document.activeElement.tabIndex]"
        )
        assert at == [place, True, 0], key
