"""The page in a browser: empty console, no requests, players in sync, sortable tables, no horizontal scrolling."""

import pytest

from tests.report.conftest import make_run, write_run

AT = "Number(getComputedStyle(document.querySelector('.example')).getPropertyValue('--at'))"
SPY = """() => {
    window.starts = 0;
    window.gains = [];
    const nodes = AudioBufferSourceNode.prototype, start = nodes.start, Plain = GainNode;
    nodes.start = function(...a) { window.starts += 1; start.apply(this, a); };
    window.GainNode = class extends Plain { constructor(...a) { super(...a); window.gains.push(this); } };
}"""


@pytest.fixture
def page(open_page, finished):
    return open_page(finished / "index.html")


def test_it_fits_every_window_in_light_and_dark_and_prints_whole_tables(page):
    for scheme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(18, 22, 28)")):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == background
        for width in (320, 390, 800, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).maxHeight") == "none"
    assert page.locator(".controls").first.is_hidden()


def test_tables_sort_by_any_column_and_missing_scores_come_last(open_page, tmp_path):
    sources = ("vocals", "drums", "bass", "other")
    root = make_run(tmp_path / "run", corpus="musdb18", names=("A",), sources=sources, rate=8000)
    write_run(root, tmp_path / "index.html")
    opened = open_page(tmp_path / "index.html")
    table = opened.locator("#scores table").first
    for order in ("descending", "ascending"):
        table.locator("th button").nth(2).click()
        rows = [text.split()[0] for text in table.locator("tbody td:nth-child(3)").all_text_contents()]
        scores = [float(text.replace("−", "-")) for text in rows if text != "—"]
        assert scores == sorted(scores, reverse=order == "descending")
        assert rows[len(scores) :] == ["—"] * (len(rows) - len(scores)) != []
        assert table.locator("th").nth(2).get_attribute("aria-sort") == order
    opened.locator("#songs th button").nth(1).click()
    assert opened.locator("#songs tbody td:nth-child(2)").all_text_contents() == sorted(sources)
    assert opened.locator("#songs th[aria-sort]").count() == 1


def test_tracks_play_seek_and_switch_in_sync_and_one_is_audible(page):
    example, other = page.locator(".example").first, page.locator(".example").nth(1)
    gains = "window.gains.map(one => Math.round(one.gain.value))"
    page.evaluate(SPY)
    assert example.locator("audio").first.is_hidden()
    example.locator("input").fill("0.5")
    assert page.evaluate(AT) == 0.5
    example.locator(".play").click()
    page.wait_for_function(f"{AT} > 0.55")
    assert example.locator(".play").text_content() == "Pause"
    assert page.evaluate(gains) == [1, 0, 0, 0, 0]
    example.locator(".show").nth(2).click()
    page.wait_for_function(f"JSON.stringify({gains}) == '[0,0,1,0,0]'")
    assert page.evaluate("window.starts") == 5  # the tracks continue
    assert example.locator(".show[aria-pressed=true]").get_attribute("data-name") == "vocals reference"
    assert example.locator(".now").text_content() == "vocals reference"
    other.locator(".show").nth(1).click()
    page.wait_for_function("document.querySelectorAll('.example')[1].classList.contains('playing')")
    assert page.evaluate("window.starts") == 10
    assert [one.locator(".play").text_content() for one in (example, other)] == ["Play", "Pause"]
    other.locator(".play").click()
    assert other.locator(".play").text_content() == "Play"


def test_without_script_there_are_plain_players(open_page, finished):
    opened = open_page(finished / "index.html", java_script_enabled=False)
    assert opened.locator(".example audio").first.is_visible()
    assert opened.locator(".controls").first.is_hidden()
