from __future__ import annotations

import html

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from sekimori.addons.reply import quotes
from sekimori.policy.reasons import Reason, explain


def test_the_landing_page_says_how_to_use_the_gate_on_each_system(client, house):
    shown = client.get("/").text
    for part in ("http://sekimori.example:8081/proxy.pac", "proxy.example", "8080", "/ca.cer", "/ca.pem"):
        assert part in shown
    for system in ("Windows", "macOS", "iPhone", "Android", "Linux", "Firefox", "HTTPS_PROXY"):
        assert system in shown
    fingerprint = x509.load_pem_x509_certificate(house.pem).fingerprint(SHA256()).hex().upper()
    assert fingerprint in shown.replace(":", "")


def test_the_application_page_shows_where_to_apply_and_what_for(client):
    shown = client.get("/apply?service=chatgpt&ref=7Q2K-9MXD").text
    for part in (
        "ChatGPT（Web）",
        "7Q2K-9MXD",
        "情報システム課",
        "ai@example.go.jp",
        "https://forms.example/ai",
    ):
        assert part in html.unescape(shown)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("service=Call+0120-000-000+now", id="a sentence as service"),
        pytest.param("service=unknown-service", id="a service nobody knows"),
        pytest.param("ref=<script>alert(1)</script>", id="markup as reference"),
        pytest.param("ref=Call 0120-000-000 now", id="a sentence as reference"),
        pytest.param("service=chatgpt%00", id="a control character"),
    ],
)
def test_an_address_that_somebody_made_up_puts_no_words_on_our_page(client, query):
    assert client.get(f"/apply?{query}").text == client.get("/apply").text


def test_a_reference_number_tells_the_reason_and_nothing_of_the_person(client):
    shown = client.get("/refusals/7Q2K-9MXD").text
    text = explain(Reason.NO_GRANT)
    for part in (
        text.ja,
        text.en,
        quotes(Reason.NO_GRANT)[0].words,
        text.action_ja,
        "DENY_NO_GRANT",
        "2026-11-21 05:06:07 JST",
    ):
        assert part in shown


@pytest.mark.parametrize("reference", ["ZZZZ-0000", "..%2F..%2Fetc", "a", "<script>", "7Q2K-9MXD%0a"])
def test_an_unknown_reference_number_is_not_found(client, reference):
    answered = client.get(f"/refusals/{reference}")
    assert answered.status_code == 404
    assert "<script" not in answered.text


def test_the_reason_is_never_taken_from_the_address(client):
    shown = client.get("/refusals/7Q2K-9MXD?code=DENY_MY_NUMBER").text
    assert "DENY_MY_NUMBER" not in shown
