"""A browser that looks at pages, and says what there is to see of their figures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--window-size=1280,1000"]


def start_browser(profile: Path):
    """A browser without a window, whose profile is kept in a directory; to be told to quit."""
    if not (CHROMIUM and DRIVER):
        pytest.skip(
            "chromium and chromedriver are not installed (Debian: chromium chromium-driver)"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def show(browser, path: Path, width: int = 1280, scheme: str = "light") -> None:
    """Open a page of ours and wait until all of its figures are drawn."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.resolve().as_uri())
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return document.body.dataset.drawn") == "all"
    )


def faults(browser) -> list[str]:
    """What the browser complained of since the last call."""
    log = browser.get_log("browser")
    return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]


SEES = """
const seen = element => {
  const box = element.getBoundingClientRect(), wide = box.width > 0.5, high = box.height > 0.5;
  return element.closest(".barlayer") ? wide && high : wide || high;
};
const within = (element, plot) => {
  const box = element.getBoundingClientRect(), outer = plot.getBoundingClientRect();
  const { l, t, w, h } = plot._fullLayout._size;
  return box.right >= outer.left + l && box.left <= outer.left + l + w
    && box.bottom >= outer.top + t && box.top <= outer.top + t + h;
};
const plots = [...document.querySelectorAll(".plot")];
"""
MARKS = (
    ".scatterlayer path.point, .scatterlayer path.js-line, .scatterlayer path.js-fill, "
    ".barlayer .point path, .heatmaplayer image, .contourlayer .contourfill path"
)


def marks(browser) -> dict[str, int]:
    """How many marks of data each figure shows between its axes; grids and texts are none."""
    return browser.execute_script(
        f"{SEES} return Object.fromEntries(plots.map(plot => [plot.id, "
        f"[...plot.querySelectorAll('{MARKS}')]"
        f".filter(mark => seen(mark) && within(mark, plot)).length]))"
    )


def cramped(browser) -> list[str]:
    """Figures whose axes are left hardly any space by their labels and legends."""
    return browser.execute_script(
        f"{SEES} return plots.filter(plot => plot._fullLayout._size.h < 70 || "
        f"plot._fullLayout._size.w < 120).map(plot => plot.id)"
    )


def clipped(browser) -> list[tuple[str, str]]:
    """Texts of figures that reach out of them, each with its figure's name."""
    return browser.execute_script(
        f"""{SEES} return plots.flatMap(plot => {{
            const bounds = plot.getBoundingClientRect();
            return [...plot.querySelectorAll("svg text")].filter(seen).filter(text => {{
                const box = text.getBoundingClientRect();
                return box.left < bounds.left - 2 || box.right > bounds.right + 2
                    || box.top < bounds.top - 2 || box.bottom > bounds.bottom + 2;
            }}).map(text => [plot.id, text.textContent]);
        }})"""
    )


def overlaps(browser) -> list[tuple[str, str, str]]:
    """Pairs of level tick labels of an axis that run into each other, with their figure's name."""
    return browser.execute_script(
        f"""{SEES} return plots.flatMap(plot => {{
            const found = [];
            for (const axis of ["xtick", "ytick"]) {{
                const texts = [...plot.querySelectorAll(`.${{axis}} > text`)].filter(
                    text => seen(text) && !/rotate\\((?!0)/.test(text.getAttribute("transform")));
                const boxes = texts.map(text => text.getBoundingClientRect());
                for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {{
                    const a = boxes[i], b = boxes[j];
                    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
                        found.push([plot.id, texts[j].textContent, texts[i].textContent]);
                }}
            }}
            return found;
        }})"""
    )


def check_figures(browser, width: int) -> dict[str, int]:
    """Assert that the page fits, that its figures show something and all of their texts; what
    `marks` says of them."""
    assert faults(browser) == []
    shown = marks(browser)
    assert [name for name, count in shown.items() if count == 0] == []
    assert cramped(browser) == []
    assert clipped(browser) == []
    assert overlaps(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    return shown
