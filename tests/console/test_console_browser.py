"""A real browser meets the console's pages."""

from __future__ import annotations

import pytest

from support.browser import DESK, PHONE, accessibility_faults, browser_page, scrolls_sideways

LINK = "/setup/4f9d2c7b-a-long-secret-token"


@pytest.mark.parametrize(
    "path", ["/", "/apply?service=chatgpt&ref=7Q2K-9MXD", "/refusals/7Q2K-9MXD", LINK, "/setup/wrong"]
)
@pytest.mark.parametrize("width", [pytest.param(PHONE, id="phone"), pytest.param(DESK, id="desk")])
@pytest.mark.parametrize("dark", [pytest.param(False, id="light"), pytest.param(True, id="dark")])
async def test_every_page_is_accessible_and_fits_the_window(served, path, width, dark):
    async with browser_page(served + path, width=width, dark=dark) as page:
        await page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert await accessibility_faults(page) == []
        assert not await scrolls_sideways(page)


async def test_the_first_administrator_chooses_a_password_in_a_browser(served, house):
    async with browser_page(served + LINK, width=PHONE) as page:
        await page.fill("#password", "correct horse battery")
        await page.fill("#password_again", "correct horse batterie")
        await page.press("#password_again", "Enter")
        assert "一致しません" in await page.inner_text("[role=alert]")
        assert await accessibility_faults(page) == []
        await page.fill("#password", "correct horse battery")
        await page.fill("#password_again", "correct horse battery")
        await page.click("button")
        assert "パスワードを設定しました" in await page.inner_text("h1")
    assert house.passwords == ["hash of correct horse battery"]
