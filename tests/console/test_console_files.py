from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509


def test_health_is_told_with_its_figures(client):
    answered = client.get("/healthz")
    assert answered.status_code == 200
    assert answered.headers["cache-control"] == "no-store"
    assert answered.json() == {
        "ok": True,
        "policy": {"hash": "abc123", "age_s": 2.5},
        "spool": {"depth": 0, "oldest_s": 0.0},
        "archivist": "running",
    }


def test_an_ill_house_answers_503_and_says_where_it_hurts(client, house):
    house.health = replace(house.report(), ok=False, archivist="stopped", spool_depth=90)
    answered = client.get("/healthz")
    assert answered.status_code == 503
    assert answered.json()["archivist"] == "stopped"
    assert answered.json()["spool"]["depth"] == 90


def test_the_proxy_configuration_has_the_type_that_clients_insist_on(client):
    answered = client.get("/proxy.pac")
    assert answered.headers["content-type"] == "application/x-ns-proxy-autoconfig"
    assert "FindProxyForURL" in answered.text


def test_the_certificate_comes_as_pem_and_as_der(client, house):
    pem, der = client.get("/ca.pem"), client.get("/ca.cer")
    assert pem.content == house.pem
    assert der.headers["content-type"] == "application/x-x509-ca-cert"
    assert x509.load_der_x509_certificate(der.content) == x509.load_pem_x509_certificate(house.pem)


@pytest.mark.parametrize("path", ["/", "/healthz", "/proxy.pac", "/ca.pem", "/static/console.css"])
def test_a_head_request_has_the_headers_of_the_page(client, path):
    head = client.head(path)
    assert head.status_code == 200
    assert head.headers["content-type"] == client.get(path).headers["content-type"]
