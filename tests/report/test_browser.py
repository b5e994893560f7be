"""The page in a browser: empty console, no requests, players in sync, sortable tables, no horizontal scrolling."""

import shutil

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def address(finished, write_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    write_run(finished, path)
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address)
    yield opened
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    context.close()


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")


def column(page, index):
    return page.locator(f"#songs tbody td:nth-child({index})").all_text_contents()


def test_songs_sort_by_any_column(page):
    head = page.locator("#songs th")
    head.nth(2).locator("button").click()
    scores = [float(text.replace("−", "-")) for text in column(page, 3)]
    assert scores == sorted(scores, reverse=True)
    assert head.nth(2).get_attribute("aria-sort") == "descending"
    head.nth(2).locator("button").click()
    assert [float(text.replace("−", "-")) for text in column(page, 3)] == scores[::-1]
    head.nth(1).locator("button").click()
    assert column(page, 2) == ["bass"] * 4 + ["vocals"] * 4
    assert page.locator("th[aria-sort]").count() == 1


def test_published_systems_without_a_score_are_sorted_last(browser, make_run, write_run, tmp_path):
    sources = ("vocals", "drums", "bass", "other")
    root = make_run(tmp_path / "run", corpus="musdb18", names=("A",), sources=sources, rate=8000)
    write_run(root, tmp_path / "index.html")
    opened = browser.new_page()
    opened.goto((tmp_path / "index.html").as_uri())
    table = opened.locator("#scores table").first
    for descending in (True, False):
        table.locator("th button").nth(2).click()
        rows = [text.split()[0] for text in table.locator("tbody td:nth-child(3)").all_text_contents()]
        scores = [float(text.replace("−", "-")) for text in rows if text != "—"]
        assert scores == sorted(scores, reverse=descending)
        assert rows[len(scores) :] == ["—"] * (len(rows) - len(scores))
        assert len(scores) < len(rows)
    opened.close()


def test_tracks_play_and_switch_in_sync(page):
    example = page.locator(".example").first
    at = "Number(getComputedStyle(document.querySelector('.example')).getPropertyValue('--at'))"
    assert example.locator("audio").first.is_hidden()
    example.locator(".play").click()
    page.wait_for_function(f"{at} > 0.05")
    assert example.locator(".play").text_content() == "Pause"
    page.evaluate(
        """() => {
            window.starts = 0;
            const nodes = AudioBufferSourceNode.prototype, start = nodes.start;
            nodes.start = function(...a) { window.starts += 1; start.apply(this, a); };
        }"""
    )
    example.locator(".show").nth(2).click()
    assert page.evaluate("window.starts") == 0  # the tracks continue
    assert example.locator(".show[aria-pressed=true]").get_attribute("data-name") == "vocals reference"
    assert example.locator(".now").text_content() == "vocals reference"
    other = page.locator(".example").nth(1)
    other.locator(".show").nth(1).click()
    page.wait_for_function("document.querySelectorAll('.example')[1].classList.contains('playing')")
    assert page.evaluate("window.starts") == 5
    assert example.locator(".play").text_content() == "Play"
    other.locator(".play").click()
    assert other.locator(".play").text_content() == "Play"


def test_only_the_selected_track_is_audible(page):
    """All tracks are connected to gain nodes, one of which is open."""
    page.evaluate(
        """() => {
            window.gains = [];
            const Plain = GainNode;
            window.GainNode = class extends Plain { constructor(...a) { super(...a); window.gains.push(this); } };
        }"""
    )
    example = page.locator(".example").first
    example.locator(".show").nth(3).click()
    page.wait_for_function("window.gains.length == 5")
    opened = "window.gains.map(one => Math.round(one.gain.value))"
    assert page.evaluate(opened) == [0, 0, 0, 1, 0]
    example.locator(".show").nth(0).click()
    page.wait_for_function(f"JSON.stringify({opened}) == '[1,0,0,0,0]'")


def test_seeking(page):
    example = page.locator(".example").first
    example.locator("input").fill("0.5")
    assert page.evaluate("Number(document.querySelector('.example').style.getPropertyValue('--at'))") == 0.5
    example.locator(".play").click()
    page.wait_for_function("Number(document.querySelector('.example').style.getPropertyValue('--at')) > 0.55")


def test_without_script_there_are_plain_players(browser, address):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(address)
    assert opened.locator(".example audio").first.is_visible()
    assert opened.locator(".controls").first.is_hidden()
    context.close()


def test_print_shows_whole_tables(page):
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).maxHeight") == "none"
    assert page.evaluate("getComputedStyle(document.querySelector('#songs td')).position") == "static"
    assert page.locator(".controls").first.is_hidden()
