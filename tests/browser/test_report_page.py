"""The report in a real browser: what a click and the slider show, without a network, for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chromium import Browser
from reports import made_contents

from cfedge.report import contents_of, page

HOSTILE = "</script><script>document.title='owned'</script><img src=http://192.0.2.1/x onerror=document.title='owned'>'\">"


@pytest.fixture
def report(browser: Browser, tmp_path: Path) -> Path:
    path = tmp_path / "report of <b>a<b> & 'file'.html"
    path.write_bytes(page(made_contents()))
    browser.open(path)
    return path


def _quiet(browser: Browser) -> None:
    """Assert that nothing was asked for but the file, and that the console says nothing."""
    assert [one for one in browser.requests() if one.split(":")[0] not in ("file", "data")] == []
    assert browser.complaints() == []


@contextmanager
def _screen(browser: Browser, width: int, height: int) -> Iterator[None]:
    """A screen, or a sheet, of so many pixels of CSS."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    browser.devtools("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        browser.devtools("Emulation.clearDeviceMetricsOverride")


def test_a_click_on_a_count_shows_its_inputs_and_another_hides_them(
    browser: Browser, report: Path
) -> None:
    cell = '[data-cell="t:0:1"]'
    assert not browser.script("return !document.querySelector('#inputs-t').hidden")
    browser.click(cell)
    assert "word text" in browser.text("#inputs-t")
    assert "is word 0 / word label 0, answered word 1 / word label 2, called unknown" in browser.text("#inputs-t")  # fmt: skip
    assert "1 more are not in this file." in browser.text("#inputs-t")
    browser.screenshot("report-cell")
    browser.script("document.querySelector(arguments[0]).focus()", cell)
    browser.press("Enter")
    assert browser.script("return document.querySelector('#inputs-t').hidden")
    browser.press("Space")
    assert browser.script(f"return document.querySelector('{cell}').getAttribute('aria-expanded')") == "true"  # fmt: skip
    _quiet(browser)


def test_the_slider_says_what_each_rate_gives(browser: Browser, report: Path) -> None:
    assert "80% of unknown inputs are called so" in browser.text("#rate-said")
    before = browser.script(
        "return document.querySelector('#rate-chart .cursor').getAttribute('x1')"
    )
    browser.script("document.querySelector('#rate').focus()")
    browser.press("ArrowRight")
    assert "96% of unknown inputs are called so; 20% of the tasks' own held-out inputs are, too, and of future ones up to 20% may be" in browser.text("#rate-said")  # fmt: skip
    assert browser.text("#rate-shown") == "export --false-reject 0.2"
    after = browser.script(
        "return document.querySelector('#rate-chart .cursor').getAttribute('x1')"
    )
    assert float(after) == pytest.approx(700)
    assert float(after) > float(before)
    row = browser.texts("#rate-tasks tbody tr:first-child > *")
    assert row == ["word 0", "3.0", "20 of 100", "24 of 25"]
    browser.press("Home")
    assert "50% of unknown inputs are called so; 1% of the tasks' own" in browser.text("#rate-said")
    _quiet(browser)


def test_hostile_words_run_nothing_and_ask_for_nothing(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_bytes(page(made_contents(HOSTILE)))
    browser.open(path)
    browser.click('[data-cell="t:0:1"]')
    assert HOSTILE in browser.script("return document.querySelector('#inputs-t').textContent")
    assert "owned" not in browser.script("return document.title").replace(HOSTILE, "")
    assert browser.count("img") == 0
    assert browser.count("script") == 2
    _quiet(browser)


def test_pictures_are_shown_as_thumbnails(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "pictures.html"
    path.write_bytes(page(made_contents(picture=True)))
    browser.open(path)
    browser.click('[data-cell="t:0:1"]')
    assert browser.count("#inputs-t ol.pictures img[alt='word text']") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(browser: Browser, report: Path, axe: str, scheme: str) -> None:
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.devtools("Emulation.setEmulatedMedia", {"features": media})
    browser.script("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.click('[data-cell="t:0:1"]')
    browser.screenshot(f"report-{scheme}")
    every = ("minor", "moderate", "serious", "critical")
    assert browser.violations(axe, impacts=every) == []
    browser.devtools("Emulation.setEmulatedMedia", {"media": "print", "features": media})
    with _screen(browser, 700, 900):  # what a sheet of A4 has between its margins
        wide = browser.script("return document.documentElement.scrollWidth")
        assert (wide, browser.violations(axe, impacts=every)) == (700, [])


#: Texts of charts that are cut off by their chart, or that lie over another one, and number cells that
#: are broken into lines.
CRAMPED = """
const found = [];
for (const chart of document.querySelectorAll('svg.chart')) {
  const texts = [...chart.querySelectorAll('text')];
  const boxes = texts.map(one => one.getBBox());
  boxes.forEach((box, at) => {
    if (box.x < 0 || box.x + box.width > chart.viewBox.baseVal.width) found.push('cut: ' + texts[at].textContent);
  });
  const level = texts.map((one, at) => [one, boxes[at]]).filter(([one]) => one.getAttribute('class') === 'label');
  for (const [one, a] of level) for (const [other, b] of level)
    if (one !== other && a.x < b.x && a.x + a.width > b.x && Math.abs(a.y - b.y) < 8)
      found.push('over: ' + one.textContent + ' | ' + other.textContent);
}
for (const table of document.querySelectorAll('table:not(.matrix)'))
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, at) => {
    if (!table.classList.contains('n' + at)) return;
    const words = document.createRange();
    words.selectNodeContents(cell);
    if (words.getClientRects().length > 1) found.push('broken: ' + cell.textContent);
  });
return found;
"""


def test_a_page_as_narrow_as_a_telephone_scrolls_in_its_parts_alone(
    browser: Browser, tmp_path: Path, axe: str
) -> None:
    for words in ("\u65e5\u672c\u8a9e" * 30, "W" * 64, "word"):
        path = tmp_path / "narrow.html"
        path.write_bytes(page(made_contents(words)))
        browser.open(path)
        browser.script("document.querySelectorAll('details').forEach(one => one.open = true)")
        with _screen(browser, 360, 700):
            wide = browser.script("return document.documentElement.scrollWidth")
            if words == "word":
                browser.screenshot("report-narrow")
            assert (wide, browser.violations(axe), browser.script(CRAMPED)) == (360, [], [])


def test_it_prints_on_a_few_sheets_with_its_tables_open(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "printed.html"
    path.write_bytes(page(made_contents(tasks=40)))
    browser.open(path)
    browser.devtools("Emulation.setEmulatedMedia", {"media": "print"})
    browser.script("window.dispatchEvent(new Event('beforeprint'))")
    assert (
        browser.script("return getComputedStyle(document.querySelector('nav')).display") == "none"
    )
    assert browser.count("figure details:not([open]):not(:has(tr:nth-child(40)))") == 0
    assert [text.partition(":")[0] for text in browser.texts("details.task[open] > summary")] == [
        f"word {number}" for number in range(40)
    ]
    with _screen(browser, 688, 1016):  # a sheet of A4 without its margins
        assert browser.script("return document.querySelector('table.matrix').offsetWidth") <= 688
    data = browser.devtools("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert 10_000 < len(data) < 2_000_000


def test_a_bundles_report_opens_too(browser: Browser, tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle.html"
    path.write_bytes(page(contents_of(tiny_bundle)))
    browser.open(path)
    assert browser.text("h1") == "2 tasks on local"
    browser.screenshot("report-bundle")
    _quiet(browser)


def test_colours_are_told_apart_without_seeing_colour(browser: Browser, report: Path) -> None:
    """The lightest and the darkest of text stay readable where all colours are grey."""
    browser.devtools("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    path = browser.screenshot("report-without-colour")
    browser.devtools("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    assert path.stat().st_size > 10_000
    shapes = browser.script(
        "return [...document.querySelectorAll('#map ~ figure .mark')].map(one => one.getAttribute('d')"
        ".replace(/[\\d.]+/g, ''))"
    )
    assert len(set(shapes)) >= 2
