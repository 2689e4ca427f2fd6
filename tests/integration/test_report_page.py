"""The report in a real Chromium: at every width, light and dark, on paper, and by keyboard."""

import dataclasses
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.report import colors
from serverless_dnn.bench.report.page import render_report, write_report
from serverless_dnn.bench.report.pictures import find_browser, main
from serverless_dnn.bench.run_folder import read_run, write_run

# The runs that the unit tests read too.
sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "bench"))
from synthetic_runs import comparison, sweep
from version_1_run import write_version_1

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")

WRONG = Finding("OUTPUTS DIFFER", "invalid", "expected at most 0.0001, got 0.3 <script>alert(1)</script>", "lambda")
BUSY = Finding("BUSY MACHINE", "doubtful", "other processes used 0.8 of 2 cores: stop them and measure again")
LONG = "a_configuration_with_a_name_that_is_as_long_as_some_users_make_them_and_has_no_space_in_it"
# What hangs over the edge without being in a box that scrolls.
OVERHANG = """() => [...document.querySelectorAll("body *")].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width && box.right > document.documentElement.clientWidth + 1 && !each.closest(".scroll, #tip, svg");
}).map((each) => each.outerHTML.slice(0, 120))"""
SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll("body *")].filter((each) =>
  [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) && each.tagName !== "SCRIPT"
  && each.tagName !== "TITLE").map((each) => parseFloat(getComputedStyle(each).fontSize)))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    old = folder / "old"
    old.mkdir()
    write_version_1(old)
    data, summary = sweep()
    probes = [
        Probe("lambda", "rate", 20.0, 500, 0, 19.8, 12.0, 18.0, True, 19.9),
        Probe("lambda", "rate", 80.0, 100, 3, 61.0, 90.0, None, False),
    ]
    busy, busy_summary = comparison(findings=[BUSY])
    busy = dataclasses.replace(busy, run=dataclasses.replace(busy.run, probes=probes))
    texts = {
        "run": render_report(busy, busy_summary),
        "invalid": render_report(*comparison(starts=1, findings=[WRONG])),
        "sweep": render_report(data, summary),
        "computed": render_report(data, summarize(data, slo_p99_ms=20)),
        "long": render_report(*comparison()).replace("sagemaker json", LONG),
        "old": write_report(old).read_text(encoding="utf-8"),
    }
    paths = {name: folder / f"{name}.html" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text, encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        # In a container the sandbox cannot start; the pages are our own.
        chromium = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, pages):
    """Opens a page, and at the end of the test asserts that it loaded nothing and no script failed."""
    contexts, problems = [], []

    def open_page(name: str, width: int = 1280, **options: object):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        url = pages[name].as_uri()
        page.on("request", lambda request: problems.append(request.url) if request.url != url else None)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.mark.parametrize("name", ["run", "invalid", "sweep", "computed", "long", "old"])
def test_a_page_fits_and_can_be_read(opened, name: str) -> None:
    page = opened(name)

    for width, scheme in itertools.product((390, 800, 1280), ("light", "dark")):
        where = f"{width} px, {scheme}"
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, where
        assert page.evaluate(OVERHANG) == [], where
        assert page.evaluate(SMALLEST_TEXT) >= 12, where
        headline = page.locator("h1").bounding_box()
        assert headline["y"] + headline["height"] < 900, f"{where}: the answer is on the first screen"
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        luminance = sum(int(channel) for channel in re.findall(r"\d+", ground)[:3]) / 3
        assert (luminance < 60) == (scheme == "dark"), where


def test_the_answer_is_the_headline_and_the_verdict_is_small_unless_bad(opened) -> None:
    valid, invalid = opened("sweep"), opened("invalid")
    _, summary = sweep()

    assert valid.locator("h1").inner_text().replace("\xa0", " ") == summary.answer
    assert valid.locator(".alarm").count() == 0
    size = "(each) => parseFloat(getComputedStyle(each).fontSize)"
    assert valid.locator(".verdict").evaluate(size) < valid.locator("h1").evaluate(size) / 2
    assert invalid.locator(".alarm").bounding_box()["y"] < invalid.locator("h1").bounding_box()["y"]
    assert "expected at most 0.0001, got 0.3 <script>" in invalid.locator(".alarm").inner_text()


def test_the_latencies_are_there_on_a_phone(opened) -> None:
    page = opened("run", 390)
    _, summary = comparison()

    cells = page.locator("table.stack tbody tr").nth(2).locator("td")
    shown = {cells.nth(index).get_attribute("data-label"): cells.nth(index) for index in range(cells.count())}

    median = summary.of("cloudrun").warm["closed"].percentiles_ms[50].value
    assert shown["closed p50 ms"].inner_text() == f"{median:.2f}"
    for cell in shown.values():
        box = cell.bounding_box()
        assert box is None or box["x"] + box["width"] <= 390


def test_what_each_amount_of_load_led_to(opened) -> None:
    rows = opened("run").locator("[aria-label='Load carried'] tbody tr")

    assert [cell.strip() for cell in rows.nth(0).inner_text().split("\t")] == [
        "lambda",
        "20.0",
        "19.9",
        "500",
        "0",
        "19.8",
        "12.0",
        "18.0",
        "yes",
    ]
    assert [cell.strip() for cell in rows.nth(1).inner_text().split("\t")][-2:] == ["–", "no"]


def test_parts_fill_their_bar_and_bars_are_to_scale(opened) -> None:
    page = opened("run")
    _, summary = comparison()

    bars = page.locator("figure").first.locator(".bar")
    widths = [bars.nth(index).bounding_box()["width"] for index in range(bars.count())]

    means = [each.warm["closed"].mean_ms for each in summary.configurations]
    assert [width / max(widths) for width in widths] == pytest.approx([mean / max(means) for mean in means], rel=0.02)
    segments = bars.first.locator(".segment")
    filled = sum(segments.nth(index).bounding_box()["width"] for index in range(segments.count()))
    assert filled == pytest.approx(widths[0], abs=segments.count() + 1)


def test_values_can_be_read_by_pointing_and_by_keyboard(opened) -> None:
    page = opened("sweep")
    tip = page.locator("#tip")
    dot = page.locator("circle.dot[data-tip^='cloudrun 2048 MB']").first

    assert not tip.is_visible()
    dot.hover()
    assert re.fullmatch(r"cloudrun 2048 MB: median latency [\d.]+ ms \(95 % interval .*\), n = 120", tip.inner_text())
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    dot.focus()
    assert tip.is_visible()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    dot.evaluate("(each) => each.blur()")
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator(".settings").is_visible()


def test_dots_stand_where_their_values_are(opened) -> None:
    page = opened("sweep")
    _, summary = sweep()

    dots = page.locator(".plot").first.locator("circle.dot")
    boxes = {
        dots.nth(index).get_attribute("data-tip").partition(":")[0]: dots.nth(index).bounding_box()
        for index in range(dots.count())
    }
    area = page.locator(".plot-area").first.bounding_box()

    # The axis begins at 0, so that heights are in proportion to values.
    heights = {label: area["y"] + area["height"] - box["y"] - box["height"] / 2 for label, box in boxes.items()}
    values = {each.label: each.warm["closed"].percentiles_ms[50].value for each in summary.configurations}
    assert set(heights) == set(values)
    for label, value in values.items():
        assert heights[label] / heights["lambda 512 MB"] == pytest.approx(value / values["lambda 512 MB"], rel=0.03)


@pytest.mark.parametrize("name", ["run", "sweep", "old"])
def test_paper_shows_all_and_cuts_nothing(opened, name: str, tmp_path: Path) -> None:
    # A4 less the margins, at 96 pixels an inch.
    page = opened(name, 703, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(OVERHANG.replace('".scroll, #tip, svg"', '"#tip, svg"')) == []
    assert page.locator(".settings dt").first.is_visible(), "what is folded is printed"
    path = tmp_path / "report.pdf"
    page.pdf(path=str(path), prefer_css_page_size=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", path.read_bytes())) <= 12


def test_figures_and_tables_have_names(opened) -> None:
    page = opened("run")

    assert page.locator("h1").count() == 1
    assert page.locator("table").count() == page.locator("table > caption").count() > 0
    assert all(
        page.locator("svg[role]").nth(index).get_attribute("aria-label")
        for index in range(page.locator("svg[role]").count())
    )
    assert all(
        page.locator("[tabindex]").nth(index).get_attribute("aria-label")
        for index in range(page.locator("[tabindex]").count())
    )


def _contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_texts_have_contrast(pages) -> None:
    text = pages["run"].read_text(encoding="utf-8")
    schemes = [
        dict(re.findall(r"--([a-z-]+):\s*(#[0-9A-Fa-f]{6})", part)) for part in re.findall(r":root \{([^}]*)\}", text)
    ]
    light, dark = ({**schemes[0], **schemes[2]}, {**schemes[0], **schemes[-1]})

    for scheme in (light, dark):
        for name in ("ink", "muted", "bad"):
            assert _contrast(scheme[name], scheme["ground"]) >= 4.5, name
        for platform in ("lambda", "sagemaker", "cloudrun"):
            assert _contrast(scheme[f"platform-{platform}"], scheme["ground"]) >= 3
    for name, (background, ink) in colors.PHASES.items():
        assert _contrast(background, ink) >= 4.5, name


def test_one_file_that_loads_nothing(pages) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?://", text)
        assert len(text) < 400_000


def test_a_picture_for_a_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    write_run(tmp_path, sweep()[0])
    picture = tmp_path / "picture.png"
    monkeypatch.setattr(sys, "argv", ["pictures", str(tmp_path), str(picture)])

    assert main() == 0

    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    assert width == 1920
    assert 800 < height < 2400
    monkeypatch.setattr(sys, "argv", ["pictures", str(tmp_path / "missing"), str(picture)])
    assert main() == 1
    assert "is not a run's folder" in capsys.readouterr().err


def test_a_report_is_written_from_the_folder_alone(tmp_path: Path) -> None:
    data, _ = sweep()
    write_run(tmp_path, data)

    first = write_report(tmp_path).read_text(encoding="utf-8")

    assert first == render_report(read_run(tmp_path), summarize(data))
    assert write_report(tmp_path).read_text(encoding="utf-8") == first
    other = render_report(data, summarize(data, slo_p99_ms=20))
    assert write_report(tmp_path, slo_p99_ms=20).read_text(encoding="utf-8") == other != first
    run = dataclasses.replace(data.run, options={**data.run.options, "slo_p99_ms": 20})
    write_run(tmp_path, dataclasses.replace(data, run=run))
    assert "keep p99 within 20 ms" in write_report(tmp_path).read_text(encoding="utf-8"), "the run's own objective"
