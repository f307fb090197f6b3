"""A real browser, which trusts the exported CA and nothing else, behind the real gate."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error, Page, async_playwright

from support.browser import CHROMIUM, FLAGS, accessibility_faults, scrolls_sideways
from support.installation import secret

pytestmark = pytest.mark.e2e

_QUIET = ["--no-first-run", "--disable-component-update", "--disable-sync"]


def trust(home: Path, *roots: Path) -> None:
    """Make the browser of this home folder trust ``roots``, as an administrator's roll-out would."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "--empty-password", "-d", f"sql:{store}"], check=True)
    for number, root in enumerate(roots):
        subprocess.run(
            ["certutil", "-A", "-n", f"root{number}", "-t", "C,,", "-d", f"sql:{store}", "-i", str(root)],
            check=True,
        )


@asynccontextmanager
async def browsing(house: Any, home: Path, *, width: int = 1280) -> AsyncIterator[Page]:
    """Open a browser whose every request goes through the gate as yamada."""
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            str(home / "profile"),
            executable_path=CHROMIUM,
            args=[*FLAGS, *_QUIET],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            viewport={"width": width, "height": 900},
            proxy={
                "server": f"http://127.0.0.1:{house.installation.gate}",
                "username": "yamada",
                "password": secret("yamada"),
            },
        )
        try:
            yield context.pages[0]
        finally:
            await context.close()


@pytest.mark.req("MOU-1-7", "MOU-1-11", "MOU-1-9")
@pytest.mark.parametrize("width", [375, 1280], ids=["phone", "desk"])
async def test_a_person_who_opens_chatgpt_sees_why_not_and_where_to_apply(house, tmp_path, width):
    trust(tmp_path, house.root)
    before = house.trap.server.accepted
    async with browsing(house, tmp_path, width=width) as page:
        answer = await page.goto("https://chatgpt.com/")
        assert answer is not None
        assert answer.status == 403
        assert await page.locator("html").get_attribute("lang") == "ja"
        text = await page.locator("body").inner_text()
        assert "組織の規程に則り承認を得る手続きが必要" in text
        assert answer.headers["x-sekimori-reference"] in text
        link = await page.locator("a[href*='/apply']").get_attribute("href")
        assert f"127.0.0.1:{house.installation.web}" in str(link)
        assert not await accessibility_faults(page)
        assert not await scrolls_sideways(page)
        await page.screenshot(path=str(tmp_path / f"refusal-{width}.png"), full_page=True)
    assert house.trap.server.accepted == before


async def test_an_ordinary_site_is_shown_with_its_own_certificate(house, tmp_path):
    trust(tmp_path, house.site_root)  # and not the gate's: what is tunnelled needs no trust in it
    async with browsing(house, tmp_path) as page:
        answer = await page.goto("https://www.example.jp/page")
        assert answer is not None
        assert answer.status == 200
        details = await answer.security_details()
        assert details is not None
        assert details["issuer"] == "Stand-in test CA"


async def test_a_browser_that_does_not_trust_the_gate_shows_no_page_of_its(house, tmp_path):
    async with browsing(house, tmp_path) as page:
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            await page.goto("https://chatgpt.com/")
