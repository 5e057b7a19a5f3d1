"""The page in a real browser: nothing is fetched, nothing overflows, the filters work, dark is dark."""

import json
import shutil
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from composed.cli.report import main
from tests.pages import write_full_sweep

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow("starts a browser, and its own patience runs out on a busy machine"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"),
]
webdriver = pytest.importorskip("selenium.webdriver")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of a report, and the paths that have been asked for."""
    runs = write_full_sweep(tmp_path_factory.mktemp("runs"))
    out = tmp_path_factory.mktemp("out")
    assert main([str(runs), "--out", str(out)]) == 0
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments, directory=str(out))

        def log_request(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/report.html", asked
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: "webdriver.Chrome", served: tuple[str, list[str]]) -> "webdriver.Chrome":
    browser.get_log("performance")
    browser.get(served[0])
    return browser


def visible(page: "webdriver.Chrome", selector: str) -> int:
    script = "return [...document.querySelectorAll(arguments[0])].filter((e) => e.offsetParent !== null).length"
    return page.execute_script(script, selector)


def choose(page: "webdriver.Chrome", selector: str, value: str) -> None:
    script = (
        "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
        "for (const name of ['input', 'change']) e.dispatchEvent(new Event(name, {bubbles: true}))"
    )
    page.execute_script(script, selector, value)


def test_the_page_is_the_only_thing_that_is_asked_for(page, served) -> None:
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("data:", "chrome"))] == [served[0]]  # chrome: its first tab
    assert set(served[1]) == {"/report.html"}
    assert page.get_log("browser") == []  # no error, no refusal by the content security policy


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(page, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 1000}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        boxes = page.execute_script(
            "return [...document.querySelectorAll('svg.interval, svg.stack, .frame svg')]"
            ".filter((e) => e.getClientRects().length).map((e) => e.getBoundingClientRect().width)"
        )
        assert len(boxes) > 10
        assert min(boxes) > 100  # a chart that one can read
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_letters_are_large_and_dark_enough(page) -> None:
    sizes = page.execute_script(
        "return [...document.querySelectorAll('body *')].filter((e) => e.offsetParent && "
        "[...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))"
        ".map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 10.5


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_follows_the_colour_scheme(page, scheme: str, dark: bool) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    script = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert (sum(page.execute_script(script)) < 200) is dark
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_programs_are_filtered_by_mode_and_verdict_sorted_and_searched(page) -> None:
    assert visible(page, ".sample") == 6
    choose(page, "#filters [name=mode]", "composed")
    choose(page, "#filters [name=verdict]", "correct")
    shown = page.execute_script(
        "return [...document.querySelectorAll('.sample:not([hidden])')].map((e) => [e.dataset.mode, e.dataset.verdict])"
    )
    assert shown
    assert all(each == ["composed", "correct"] for each in shown)
    choose(page, "#filters [name=order]", "-length")
    lengths = page.execute_script(
        "return [...document.querySelectorAll('.sample:not([hidden])')].map((e) => Number(e.dataset.length))"
    )
    assert lengths == sorted(lengths, reverse=True)
    choose(page, "#filters [name=words]", "no such word")
    assert visible(page, ".sample") == 0
    assert visible(page, ".none-left") == 1


def test_more_programs_come_on_request(page) -> None:
    page.execute_script("document.querySelector('#more').click()")
    assert visible(page, ".sample") == 12


def test_another_reference_is_compared_with_all_rows(page) -> None:
    choose(page, "#reference", "standard")
    assert visible(page, ".differences tbody") == 1
    labels = page.execute_script(
        "return [...document.querySelectorAll('.differences tbody:not([hidden]) .minus')].map((e) => e.textContent)"
    )
    assert labels == ["− standard"] * 5


def test_a_mode_is_taken_out_of_the_curves(page) -> None:
    every = visible(page, ".drawing") * 8  # runs
    count = "return [...document.querySelectorAll('.drawing path')].filter((e) => e.style.display !== 'none').length"
    assert page.execute_script(count) == every
    page.execute_script("document.querySelector('#shown input[value=standard]').click()")
    assert page.execute_script(count) == every - visible(page, ".drawing") * 3
