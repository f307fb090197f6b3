"""What never travels to a service."""

from __future__ import annotations

import pytest
from mitmproxy.http import Headers

from sekimori.addons.headers import strip


@pytest.mark.parametrize(
    "name",
    [
        "Proxy-Authorization",
        "Proxy-Connection",
        "X-Authenticated-User",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Forwarded",
        "Via",
        "X-Sekimori-Class",
        "X-Sekimori-Purpose",
        "x-sekimori-anything",
    ],
)
def test_headers_about_the_person_the_proxy_or_the_policy_are_removed(name):
    headers = Headers([(b"Accept", b"*/*"), (name.encode(), b"secret"), (name.upper().encode(), b"again")])
    strip(headers)
    assert headers.fields == ((b"Accept", b"*/*"),)


def test_everything_else_stays_byte_for_byte():
    fields = ((b"authorization", b"Bearer \xff"), (b"X-Custom", b""), (b"Accept", b"a"), (b"Accept", b"b"))
    headers = Headers(fields)
    strip(headers)
    assert headers.fields == fields
