"""A real browser shows the page of a refusal as it is meant to be seen."""

from __future__ import annotations

import pytest

from sekimori.addons.reply import Refusal, answer
from sekimori.policy.reasons import Reason
from support.browser import DESK, PHONE, accessibility_faults, browser_page, scrolls_sideways

REFUSAL = Refusal(
    Reason.NO_GRANT,
    "7Q2K-9MXD",
    "chatgpt.com",
    "ChatGPT（Web）",
    "yamada",
    ("<script>document.title='taken'</script>" + "w" * 150,),
    (Reason.NO_GRANT, Reason.TOS_CONFIDENTIAL),
    "https://sekimori.example/apply?service=chatgpt&ref=7Q2K-9MXD",
    time_us=1_795_205_167_000_000,
)


@pytest.mark.parametrize("width", [pytest.param(PHONE, id="phone"), pytest.param(DESK, id="desk")])
async def test_the_page_is_accessible_and_fits_the_window(refuser, width):
    refuser.answer = answer(REFUSAL, navigation=True, path="/" + "a" * 150)
    async with browser_page(refuser.url, width=width) as page:
        assert await accessibility_faults(page) == []
        assert not await scrolls_sideways(page)


async def test_the_page_is_styled_runs_nothing_and_leads_to_the_application_by_keyboard(refuser):
    refuser.answer = answer(REFUSAL, navigation=True)
    async with browser_page(refuser.url, width=DESK) as page:
        assert await page.title() == "この通信を止めました — 関守"
        colour = "getComputedStyle(document.querySelector('.button')).backgroundColor"
        assert await page.evaluate(colour) == "rgb(0, 23, 193)"
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.href") == REFUSAL.apply_url
        assert await page.context.cookies() == []
