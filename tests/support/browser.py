"""A real browser on loopback pages: opens one at the width of a phone or a desk and runs axe on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
PHONE = 375
DESK = 1280


@asynccontextmanager
async def browser_page(url: str, *, width: int, dark: bool = False) -> AsyncIterator[Page]:
    """Open ``url``; whatever the page wants of any other origin fails."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = await browser.new_page(
                viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
            )
            await page.goto(url)
            yield page
        finally:
            await browser.close()


async def accessibility_faults(page: Page) -> list[str]:
    """Name what axe finds against WCAG 2.2 A and AA and its best practices."""
    found = await Axe().run(page)
    return [
        f"{fault['id']}: {node['html']}" for fault in found.response["violations"] for node in fault["nodes"]
    ]


async def scrolls_sideways(page: Page) -> bool:
    """Tell whether the page is wider than the window."""
    return bool(await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
