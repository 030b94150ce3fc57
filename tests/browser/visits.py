"""Debian's Chromium, driven by Playwright: what a person sees, hears and presses in the dashboard.

A visit keeps what its pages asked for and what they complained of. Nothing is ever downloaded: the browser is
the machine's own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.dashboard_filled import PASSWORD

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "artifacts" / "screenshots"
AXE = ROOT / ".cache/npm/node_modules/axe-core/axe.min.js"
DESK, PHONE = 1280, 390
_HEIGHTS = {DESK: 900, PHONE: 844}
_PATIENCE = 15_000
"""Milliseconds: a machine that is busy is slow, and not wrong."""
expect.set_options(timeout=_PATIENCE)


@dataclass
class Visit:
    """One window. `requests` are the addresses it asked for, `complaints` what its console said.

    Attributes:
        refusals: answers of 400 and more, which a browser also writes to its console.
    """

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(_PATIENCE)
        self.page.on("request", lambda asked: self.requests.append(asked.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self._heard(said.type, said.text, said.location))
        self.page.on("response", lambda got: self._answered(got.status, got.url))

    def open(self, path: str) -> Page:
        """Go there, and wait until it is loaded. A page may go on listening for what changes."""
        self.page.goto(self.address + path, wait_until="load")
        return self.page

    def strangers(self) -> list[str]:
        """Requests to anybody but the dashboard."""
        ours = urlsplit(self.address).netloc
        return [
            one
            for one in self.requests
            if urlsplit(one).scheme not in ("data", "blob") and urlsplit(one).netloc != ours
        ]

    def wide(self) -> list[str]:
        """What is wider than the window, but for what scrolls by itself: the tags and classes."""
        found: list[str] = self.page.evaluate(_WIDE)
        return found

    def faults(self, *rules: str) -> list[str]:
        """What axe finds that is serious or critical, one line each.

        Args:
            rules: only these.
        """
        if not self.page.evaluate("typeof axe === 'object'"):
            # By the DevTools protocol: the page's own policy lets no script in that is not the dashboard's.
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        wanted: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            wanted["runOnly"] = {"type": "rule", "values": list(rules)}
        found = self.page.evaluate(f"async () => (await axe.run(document, {json.dumps(wanted)})).violations")
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: "
            + "; ".join(node["html"][:200] for node in one["nodes"][:5])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def picture(self, name: str, width: int, *, dark: bool) -> Path:
        """The whole page at this width, by day or by night."""
        self.look(width, dark=dark)
        file = SCREENSHOTS / f"{name}-{width}-{'dark' if dark else 'light'}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        # Without hiding the caret, which writes styles into fields: a part that is fetched anew keeps them.
        self.page.screenshot(path=file, full_page=True, animations="disabled", caret="initial")
        return file

    def look(self, width: int, *, dark: bool = False) -> None:
        """Look through a window of this width, by day or by night."""
        self.page.set_viewport_size({"width": width, "height": _HEIGHTS[width]})
        self.page.emulate_media(color_scheme="dark" if dark else "light")

    def _heard(self, kind: str, said: str, where: Mapping[str, Any]) -> None:
        # What was refused is in `refusals`, with its address.
        if kind in ("error", "warning") and "Failed to load resource" not in said:
            self.complaints.append(f"{kind} at {where['url']}:{where['lineNumber']}: {said}")

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.refusals.append(f"{status} {url}")


_WIDE = """
() => {
    const wide = document.documentElement.scrollWidth;
    if (wide <= innerWidth) return [];
    const scrolls = one => {
        for (let box = one.parentElement; box && box !== document.body; box = box.parentElement)
            if (/auto|scroll|hidden|clip/.test(getComputedStyle(box).overflowX)) return true;
        return false;
    };
    const found = [...document.querySelectorAll('body *')].filter(
        one => one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one));
    return [`${wide} of ${innerWidth}`, ...found.slice(0, 8).map(
        one => `${one.tagName} .${one.className}: ${one.textContent.trim().slice(0, 40)}`)];
}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for the length of a block."""
    program = shutil.which("chromium")
    assert program, "Chromium is not on this machine: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--hide-scrollbars"],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Browser, address: str, **context: Any) -> Iterator[Visit]:
    """A window of somebody; nothing is remembered of others.

    Args:
        context: as Playwright takes it: storage_state, java_script_enabled …
    """
    made = browser.new_context(
        viewport={"width": DESK, "height": _HEIGHTS[DESK]}, reduced_motion="reduce", **context
    )
    try:
        yield Visit(made.new_page(), address)
    finally:
        made.close()


def log_in(visit: Visit, name: str, *, path: str = "/login") -> None:
    """By the page, as a person does."""
    page = visit.open(path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/login" not in url)


__all__ = ["AXE", "DESK", "PHONE", "Visit", "chromium", "log_in", "visiting"]
