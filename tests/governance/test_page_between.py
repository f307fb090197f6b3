"""The page between somebody and what they wanted: once, for the right person, back by GET only."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance.interstitial import Pages, Visit, go_back, page_id, show, way_back
from sekimori.governance.notices import Notice, NoticeText
from sekimori.governance.use_rules import NoticeRules
from support.offices import NOW

KEY = b"k" * 32
MINUTE = 60_000_000
RULES = NoticeRules(page_minutes=30)
DUE = (Notice(id="n", status="PUBLISHED", service="*", number=1, current=NoticeText("表題", "注意")),)


def visit(**fields):
    plain = Visit("hanako", "chat", "chat.example.com", "GET", "https://chat.example.com/c/1?q=2", True)
    return msgspec.structs.replace(plain, **fields)


def shown(pages=None, at_us=NOW, due=DUE, **fields):
    return show(pages or Pages(), visit(**fields), due, KEY, at_us, RULES)


def test_a_browser_gets_a_page_and_is_brought_back_once():
    pages, answer = shown()
    assert answer.verdict == "PAGE"
    pages, url = go_back(pages, answer.page.id, "hanako", NOW + MINUTE)
    assert url == "https://chat.example.com/c/1?q=2"
    assert go_back(pages, answer.page.id, "hanako", NOW + MINUTE)[1] == ""


def test_a_program_gets_a_refusal_and_no_page():
    pages, answer = shown(navigation=False)
    assert (answer.verdict, answer.notices, answer.page, pages.shown) == ("REFUSE", DUE, None, {})


def test_nobody_is_stopped_who_has_nothing_to_read():
    assert shown(due=())[1].verdict == "PASS"


@pytest.mark.parametrize(
    ("id_", "who", "at_us"),
    [
        pytest.param(None, "miki", NOW, id="somebody else"),
        pytest.param("0" * 64, "hanako", NOW, id="an id that nobody has"),
        pytest.param(None, "hanako", NOW + 30 * MINUTE, id="expired"),
    ],
)
def test_a_page_leads_only_its_reader_back_and_only_in_time(id_, who, at_us):
    pages, answer = shown()
    assert go_back(pages, id_ or answer.page.id, who, at_us)[1] == ""


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"method": "POST"}, id="a form"),
        pytest.param({"method": "get"}, id="no method of the protocol"),
        pytest.param({"method": "HEAD"}, id="HEAD"),
        pytest.param({"url": "https://evil.example/c/1"}, id="another host"),
        pytest.param({"url": "https://chat.example.com.evil.example/"}, id="a longer host"),
        pytest.param({"url": "https://chat.example.com@evil.example/"}, id="a host as a user"),
        pytest.param({"url": "https://me@chat.example.com/"}, id="with credentials"),
        pytest.param({"url": "https://chat.example.com:8443/"}, id="another port"),
        pytest.param({"url": "https://chat.example.com:99999/"}, id="no port"),
        pytest.param({"url": "https://[chat.example.com/"}, id="a broken host"),
        pytest.param({"url": "http://chat.example.com/"}, id="no TLS"),
        pytest.param({"url": "//chat.example.com/"}, id="no scheme"),
        pytest.param({"url": "javascript:alert(1)"}, id="a script"),
        pytest.param({"url": "https://chat.example.com/\r\nSet-Cookie: a=b"}, id="a line break"),
        pytest.param({"url": "https://chat.example.com\\@evil.example/"}, id="a backslash"),
        pytest.param({"url": "https://chat.example.com/" + "a" * 2048}, id="endless"),
        pytest.param({"navigation": False}, id="not a navigation"),
    ],
)
def test_there_is_no_way_back_to(fields):
    assert way_back(visit(**fields)) == ""


def test_a_way_back_has_no_fragment():
    assert way_back(visit(url="https://chat.example.com/a#secret")) == "https://chat.example.com/a"


def test_a_form_met_first_does_not_spoil_the_way_back_of_a_page_opened_then():
    pages, form = shown(method="POST")
    pages, page = shown(pages)
    assert (form.page.url, page.page.url) == ("", "https://chat.example.com/c/1?q=2")
    assert form.page.id == page.page.id


def test_an_id_is_nothing_that_a_reader_could_work_out():
    assert page_id(KEY, "hanako", "a", NOW) != page_id(b"x" * 32, "hanako", "a", NOW)


def test_pages_are_bounded_however_many_ask(monkeypatch):
    monkeypatch.setattr("sekimori.governance.interstitial._AT_ONCE", 3)
    pages = Pages()
    for number in range(10):
        pages, _ = shown(pages, subject=f"u{number}")
    assert [page.subject for page in pages.shown.values()] == ["u7", "u8", "u9"]


VISITS = st.lists(
    st.tuples(
        st.sampled_from(["hanako", "miki"]),
        st.sampled_from(["chat.example.com", "other.example.com"]),
        st.sampled_from(["GET", "POST", "PUT"]),
        st.integers(0, 100),
        st.booleans(),
        st.booleans(),
    ),
    max_size=30,
)


@given(VISITS)
def test_nothing_but_a_get_of_its_own_reader_and_host_is_ever_opened_again(steps):
    pages, asked = Pages(), {}
    pages_of: dict[tuple[str, str, int], set[str]] = {}
    for number, (who, host, method, second, navigation, back) in enumerate(sorted(steps, key=lambda s: s[3])):
        at_us = NOW + second * 1_000_000
        url = f"https://{host}/{number}"
        asked[url] = (who, host, method)
        pages, answer = shown(
            pages, at_us, subject=who, host=host, method=method, url=url, navigation=navigation
        )
        assert (answer.verdict == "PAGE") is navigation
        if answer.page is None:
            continue
        pages_of.setdefault((who, host, at_us // MINUTE), set()).add(answer.page.id)
        if back:
            pages, url = go_back(pages, answer.page.id, who, at_us)
            assert not url or asked[url] == (who, host, "GET")
    assert all(len(ids) == 1 for ids in pages_of.values())
    named = [id_ for ids in pages_of.values() for id_ in ids]
    assert len(named) == len(set(named))
