"""What a page loads and asks for beside an answer: kinds that a grant for a web chat can list."""

import json

import pytest

from sekimori.wire.model import Head
from sekimori.wire.read import read_request, read_response

FETCH = (("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"))
PAGE = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))


def read(method: str, path: str, fields: tuple[tuple[str, str], ...] = (), body: object = None):
    typed = (*fields, ("content-type", "application/json")) if body is not None else fields
    return read_request(
        Head(method, "host.example", path, typed), b"" if body is None else json.dumps(body).encode()
    )


@pytest.mark.parametrize(
    ("method", "path", "fields", "kind"),
    [
        pytest.param("GET", "/", PAGE, "not-ai", id="a page"),
        pytest.param("GET", "/c/6f1e", PAGE, "not-ai", id="a page of a conversation"),
        pytest.param("GET", "/_next/static/chunks/main-1a2b.js", (), "not-ai", id="a script"),
        pytest.param("GET", "/assets/logo.svg?v=3", (), "not-ai", id="a picture"),
        pytest.param("HEAD", "/fonts/a.woff2", (), "not-ai", id="a font"),
        pytest.param("OPTIONS", "/backend-api/f/conversation", (("access-control-request-method", "POST"),), "not-ai", id="a preflight"),
        pytest.param("GET", "/backend-api/me", FETCH, "state", id="settings"),
        pytest.param("GET", "/backend-api/conversations?offset=0&limit=28", FETCH, "state", id="a list of conversations"),
        pytest.param("GET", "/backend-api/conversation/6f1e", FETCH, "state", id="a conversation"),
        pytest.param("GET", "/api/organizations/o/chat_conversations/c?tree=True", FETCH, "state", id="another conversation"),
        pytest.param("DELETE", "/api/organizations/o/chat_conversations/c", FETCH, "state", id="its end"),
        pytest.param("POST", "/api/v0/chat/create_pow_challenge", FETCH, "state", id="a check"),
    ],
)  # fmt: skip
def test_what_a_page_loads_is_parsed_and_of_a_kind_that_a_grant_can_list(method, path, fields, kind):
    reading = read(method, path, fields)
    assert (reading.kind, reading.parse, reading.model, reading.model_certain) == (kind, "parsed", None, True)


def test_what_a_page_is_made_of_is_no_unread_answer():
    head = Head("GET", "host.example", "/a.js")
    reading = read_response(head, read_request(head, b""), 200, (), b"console.log('some words')")
    assert (reading.parse, reading.output) == ("parsed", "")


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        pytest.param("GET", "/backend-api/complete?q=word", FETCH, id="a typed parameter"),
        pytest.param("GET", "/backend-api/x?a=two%20words", FETCH, id="words in the query"),
        pytest.param("GET", "/backend-api/x?a=%E9%83%A8%E5%A4%96%E7%A7%98", FETCH, id="letters of Japanese"),
        pytest.param("GET", "/" + "a" * 600, FETCH, id="an endless segment"),
        pytest.param("GET", "/backend-api/x?a=" + "a" * 600, FETCH, id="an endless value"),
        pytest.param("GET", "/logo%20of%20us.svg", (), id="words in the path"),
        pytest.param("GET", "/anything", (), id="no browser"),
        pytest.param("POST", "/anything", FETCH, id="no reading method"),
        pytest.param("OPTIONS", "/anything", (), id="no preflight"),
        pytest.param("GET", "/logo.svg", (("upgrade", "websocket"),), id="a WebSocket"),
    ],
)
def test_what_may_say_something_stays_unread(method, path, fields):
    reading = read(method, path, fields)
    assert (reading.kind, reading.parse) == ("other-ai", "unparsed")


@pytest.mark.parametrize(
    ("path", "body", "kind", "prompt", "skipped"),
    [
        pytest.param("/backend-api/sentinel/chat-requirements", {"p": "gAAAAAB"}, "state", "", (), id="a check"),
        pytest.param("/backend-api/conversation/6f1e/title", {"title": "会議録 の要約"}, "state", "会議録 の要約", (), id="a title"),
        pytest.param("/backend-api/f/conversation/prepare", {"partial_query": {"content": "typed so far"}}, "state", "", ("partial_query",), id="what is being typed"),
        pytest.param("/api/organizations/o/chat_conversations", {"uuid": "u", "name": ""}, "state", "", (), id="a new conversation"),
        pytest.param("/api/v0/chat_session/create", {"agent": "chat"}, "state", "", (), id="a new session"),
        pytest.param("/c/api/conversations", {}, "state", "", (), id="another new conversation"),
        pytest.param("/backend-api/files/f-1/uploaded", {}, "file", "", (), id="a file that is there"),
        pytest.param("/rest/uploads/batch_create_upload_urls", {"files": {"a": {"filename": "a.pdf"}}}, "file", "", (), id="tickets for files"),
    ],
)  # fmt: skip
def test_what_a_page_posts_beside_a_prompt_is_read(path, body, kind, prompt, skipped):
    reading = read("POST", path, FETCH, body)
    assert (reading.kind, reading.dialect, reading.prompt) == (kind, "web-state", prompt)
    assert (reading.skipped, reading.parse) == (skipped, "partial" if skipped else "parsed")


def test_a_call_of_geminis_page_is_state_and_its_words_are_told():
    body = b"f.req=%5B%5B%5B%22rpc%22%2C%22%5B%5C%22some%20words%5C%22%5D%22%2Cnull%2C%22generic%22%5D%5D%5D&at=t"
    fields = (("content-type", "application/x-www-form-urlencoded"),)
    reading = read_request(Head("POST", "host.example", "/_/BardChatUi/data/batchexecute", fields), body)
    assert (reading.kind, reading.dialect, reading.skipped) == ("state", "gemini-web", ("f.req",))
