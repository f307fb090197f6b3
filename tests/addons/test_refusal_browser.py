"""A real browser shows the page of a refusal as it is meant to be seen."""

from __future__ import annotations

from typing import Any

import pytest

from sekimori.addons.reply import Refusal, answer
from sekimori.addons.reply.answer import Answer
from sekimori.addons.reply.between import Between, between_page
from sekimori.policy.reasons import Reason
from sekimori.policy.standing import NoticeToShow, Owed
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


NOTICE = NoticeToShow(
    "n1",
    2,
    "0" * 64,
    title_ja="利用の注意",
    title_en="Before you go on",
    text_ja="一\n二",
    text_en="One\nTwo",
)


def between(code: Reason, **shown: Any) -> Answer:
    known: dict[str, Any] = {
        "reference": "7Q2K-9MXD",
        "user": "yamada",
        "host": "chatgpt.com",
        "service": "ChatGPT（Web）",
    }
    return between_page(Between(code=code, action="/.sekimori/x", **known, **shown))


PAGES = [
    pytest.param(answer(REFUSAL, navigation=True, path="/" + "a" * 150), "rgb(0, 23, 193)", id="refusal"),
    pytest.param(between(Reason.ACK_REQUIRED, notices=(NOTICE,)), "rgb(0, 23, 193)", id="notice"),
    pytest.param(
        between(Reason.FEEDBACK_OVERDUE, owed=(Owed("chatgpt", 21, 1),)), "rgb(255, 255, 255)", id="feedback"
    ),
]
BUTTON = "getComputedStyle(document.querySelector('.button')).backgroundColor"


@pytest.mark.parametrize("dark", [pytest.param(False, id="light"), pytest.param(True, id="dark")])
@pytest.mark.parametrize("width", [pytest.param(PHONE, id="phone"), pytest.param(DESK, id="desk")])
@pytest.mark.parametrize(("shown", "light_button"), PAGES)
async def test_the_page_is_accessible_and_fits_the_window(refuser, shown, light_button, width, dark):
    refuser.answer = shown
    async with browser_page(refuser.url, width=width, dark=dark) as page:
        assert await accessibility_faults(page) == []
        assert not await scrolls_sideways(page)
        assert (await page.evaluate(BUTTON) == light_button) is not dark


async def test_no_answer_on_the_feedback_page_is_made_to_look_like_the_right_one(refuser):
    refuser.answer = between(Reason.FEEDBACK_OVERDUE, owed=(Owed("chatgpt", 21, 1),))
    async with browser_page(refuser.url, width=DESK) as page:
        looks = await page.evaluate(
            "[...document.querySelectorAll('button')].map(b => {const s = getComputedStyle(b);"
            " return [s.backgroundColor, s.color, s.fontWeight, b.offsetWidth, b.offsetHeight].join()})"
        )
    assert len(looks) == 5
    assert len(set(looks)) == 1


async def test_the_page_is_styled_runs_nothing_and_leads_to_the_application_by_keyboard(refuser):
    refuser.answer = answer(REFUSAL, navigation=True)
    async with browser_page(refuser.url, width=DESK) as page:
        assert await page.title() == "この通信を止めました — 関守"
        colour = "getComputedStyle(document.querySelector('.button')).backgroundColor"
        assert await page.evaluate(colour) == "rgb(0, 23, 193)"
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.href") == REFUSAL.apply_url
        assert await page.context.cookies() == []
