from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.addons.reply import is_navigation

BROWSER = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")


@pytest.mark.parametrize(
    ("method", "headers", "page"),
    [
        pytest.param(
            "GET",
            [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
            True,
            id="a browser opens a page",
        ),
        pytest.param(
            "POST",
            [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            True,
            id="a form is sent",
        ),
        pytest.param("GET", [("Sec-Fetch-Mode", "cors"), BROWSER], False, id="a script of a page fetches"),
        pytest.param("GET", [("Sec-Fetch-Mode", "websocket")], False, id="a socket opens"),
        pytest.param(
            "GET",
            [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"), BROWSER],
            False,
            id="a frame",
        ),
        pytest.param("GET", [BROWSER], True, id="an old browser, or plain http"),
        pytest.param("HEAD", [BROWSER], True, id="HEAD of a page"),
        pytest.param("POST", [BROWSER], False, id="POST without fetch metadata"),
        pytest.param("GET", [BROWSER, ("Authorization", "Bearer x")], False, id="with an API key"),
        pytest.param("GET", [BROWSER, ("X-API-Key", "x")], False, id="with Anthropic's key header"),
        pytest.param("GET", [("Accept", "*/*")], False, id="curl"),
        pytest.param("GET", [("Accept", "application/json")], False, id="an SDK lists models"),
        pytest.param("GET", [("Accept", "application/json, text/html;q=0")], False, id="HTML refused"),
        pytest.param("GET", [("Accept", "text/html; q=0.000")], False, id="HTML refused at length"),
        pytest.param("GET", [("Accept", "text/html;q=0.1")], True, id="HTML welcome, if barely"),
        pytest.param("GET", [], False, id="nothing said"),
    ],
)
def test_a_page_is_for_people_and_an_error_for_programs(method, headers, page):
    assert is_navigation(method, headers) is page


@given(method=st.text(max_size=10), headers=st.lists(st.tuples(st.text(max_size=20), st.text(max_size=60))))
def test_no_header_makes_the_question_fail(method, headers):
    assert is_navigation(method, headers) in {True, False}
