"""Leaf certificates: one name, from the list, for a few days."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.gate.leaf import LeafMint, NoLeafError
from support.authority import NOW, PEM, Authority, openssl_verify, pem, shake_hands

AUTHORITY = Authority.make()
RULES = [("openai.com", True), ("claude.ai", False), ("bedrock-runtime.*.amazonaws.com", False)]
MINT = AUTHORITY.mint(RULES)
LONG = f"{'a' * 63}.{'b' * 60}.openai.com"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def names_of(cert: x509.Certificate) -> list[x509.GeneralName]:
    return list(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        pytest.param("chat.openai.com", "chat.openai.com", id="under a suffix"),
        pytest.param("openai.com", "openai.com", id="the suffix itself"),
        pytest.param("claude.ai", "claude.ai", id="a full name"),
        pytest.param("ChatGPT.OpenAI.com.", "chatgpt.openai.com", id="written in another way"),
        pytest.param(LONG, LONG, id="too long for a common name"),
    ],
)
def test_a_leaf_carries_the_canonical_host_that_was_asked_for_and_nothing_else(tmp_path, asked, name):
    entry = MINT.get(asked)
    cert = entry.cert.to_cryptography()
    assert names_of(cert) == [x509.DNSName(name)]
    assert (
        openssl_verify(
            tmp_path,
            root=pem(AUTHORITY.root.cert),
            leaf=pem(cert),
            chain=b"".join(link.to_pem() for link in entry.chain_certs),
            now=NOW,
            hostname=name,
        )
        == "OK"
    )


def test_a_leaf_is_dated_back_a_day_and_lives_for_a_week():
    cert = MINT.get("claude.ai").cert.to_cryptography()
    assert cert.not_valid_before_utc == NOW - timedelta(days=1)
    assert cert.not_valid_after_utc - cert.not_valid_before_utc == timedelta(days=7)


def test_the_leaf_key_is_not_the_issuing_key_and_is_no_authority():
    entry = MINT.get("claude.ai")
    cert = entry.cert.to_cryptography()
    assert entry.cert.public_key() == entry.privatekey.public_key() != AUTHORITY.issuing_key.public_key()
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not cert.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert MINT.get("openai.com").privatekey is entry.privatekey


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("bank.example", id="another host"),
        pytest.param("xopenai.com", id="a host that ends like one"),
        pytest.param("www.claude.ai", id="under a full name, though its certificate would permit it"),
        pytest.param("com", id="a top-level domain"),
        pytest.param("*.openai.com", id="a wildcard"),
        pytest.param("192.0.2.1", id="IPv4"),
        pytest.param("[2001:db8::1]", id="IPv6"),
        pytest.param("3221225985", id="an address as a number"),
        pytest.param("", id="nothing"),
        pytest.param("openai.com\0.bank.example", id="a NUL"),
        pytest.param("openai.com:443", id="with a port"),
        pytest.param("сlaude.ai", id="a homograph"),
    ],
)
def test_a_host_outside_the_interception_list_gets_no_leaf(host):
    assert not MINT.covers(host)
    with pytest.raises(NoLeafError):
        MINT.get(host)


@settings(max_examples=300)
@given(st.text(max_size=40) | st.from_regex(r"\A[a-z.-]{0,12}(openai\.com|claude\.ai|example)[a-z.]{0,5}\Z"))
def test_whatever_is_asked_for_a_leaf_has_one_name_and_that_is_on_the_list(host):
    try:
        cert = MINT.get(host).cert.to_cryptography()
    except NoLeafError:
        return
    (name,) = names_of(cert)
    assert isinstance(name, x509.DNSName)
    assert name.value == "claude.ai" or name.value == "openai.com" or name.value.endswith(".openai.com")


def test_a_host_on_the_list_that_no_issuing_certificate_permits_gets_no_leaf():
    mint = AUTHORITY.mint(RULES, lambda host: True)
    assert mint.covers("bedrock-runtime.ap-northeast-1.amazonaws.com")
    with pytest.raises(NoLeafError, match="No issuing certificate"):
        mint.get("bedrock-runtime.mars-north-1.amazonaws.com")


def test_a_host_that_leaves_the_list_gets_no_leaf_even_from_the_cache():
    listed = {"claude.ai"}
    mint = AUTHORITY.mint(RULES, listed.__contains__)
    mint.get("claude.ai")
    listed.clear()
    with pytest.raises(NoLeafError):
        mint.get("claude.ai")


def test_a_leaf_is_kept_until_two_days_before_its_end_and_never_outlives_its_issuer():
    clock = Clock()
    issuing_set = AUTHORITY.issuer().cover(RULES, NOW)
    mint = LeafMint(AUTHORITY.issuing_key, issuing_set, lambda host: True, clock)
    first = mint.get("claude.ai")
    clock.now = NOW + timedelta(days=3)
    assert mint.get("claude.ai") is first
    clock.now = NOW + timedelta(days=4)
    assert mint.get("claude.ai") is not first
    clock.now = NOW + timedelta(days=29)
    assert mint.get("claude.ai").cert.notafter == NOW + timedelta(days=30)
    clock.now = NOW + timedelta(days=31)
    with pytest.raises(NoLeafError):
        mint.get("claude.ai")


def test_after_the_clock_was_set_back_no_leaf_from_the_future_is_shown():
    clock = Clock()
    clock.now += timedelta(days=3)
    mint = LeafMint(AUTHORITY.issuing_key, AUTHORITY.issuer().cover(RULES, NOW), lambda host: True, clock)
    mint.get("claude.ai")
    clock.now = NOW
    assert mint.get("claude.ai").cert.notbefore <= NOW


def test_the_cache_forgets_the_host_that_was_not_asked_for_longest():
    issuing_set = AUTHORITY.issuer().cover(RULES, NOW)
    mint = LeafMint(AUTHORITY.issuing_key, issuing_set, lambda host: True, lambda: NOW, cache_size=2)
    a, b = mint.get("a.openai.com"), mint.get("b.openai.com")
    assert mint.get("a.openai.com") is a
    mint.get("c.openai.com")
    assert mint.get("a.openai.com") is a
    assert mint.get("b.openai.com") is not b


def test_another_issuing_set_is_used_from_the_next_handshake_on():
    issuer = AUTHORITY.issuer(names_per_shard=2)
    rules = [("openai.com", True), ("claude.ai", False), ("gemini.google.com", False)]
    before = issuer.cover(rules, NOW)
    mint = LeafMint(AUTHORITY.issuing_key, before, lambda host: True, lambda: NOW)
    hosts = ["claude.ai", "chat.openai.com"]
    same, changed = (mint.get(host) for host in hosts)
    mint.swap(AUTHORITY.load(before.dump()))
    assert [mint.get(host) for host in hosts] == [same, changed]
    mint.swap(issuer.cover([*rules, ("grok.com", False)], NOW, before))
    assert mint.get("claude.ai") is same
    assert mint.get("chat.openai.com") is not changed
    assert mint.get("grok.com").cert.cn == "grok.com"
    mint.swap(issuer.cover([], NOW))
    assert not mint.covers("claude.ai")


@pytest.mark.parametrize(
    ("shown", "wanted", "works"),
    [
        pytest.param("chat.openai.com", "chat.openai.com", True, id="the host"),
        pytest.param("chat.openai.com", "openai.com", False, id="its parent"),
        pytest.param("chat.openai.com", "www.chat.openai.com", False, id="its child"),
    ],
)
def test_a_strict_client_accepts_a_leaf_for_its_own_host_only(tmp_path, shown, wanted, works):
    now = datetime.now(UTC)
    authority = Authority.make(now)
    entry = authority.mint(RULES, now=now).get(shown)
    key = entry.privatekey.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "chain.pem").write_bytes(key + entry.cert.to_pem() + entry.chain_certs[0].to_pem())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain.pem")
    client = ssl.create_default_context(cadata=pem(authority.root.cert).decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    if works:
        shake_hands(server, client, wanted)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="ostname mismatch"):
            shake_hands(server, client, wanted)
