"""What a running tree really counts: every figure that the dashboard asks for has somebody who sets it."""

import base64
import re
import time
import urllib.request

import pytest
from prometheus_client import Gauge

from support.exposed import every_metric
from support.installation import Installation, secret
from support.rawclient import RawClient
from support.standin.certificates import make
from support.threads import StandinThread

YAMADA = "Basic " + base64.b64encode(f"yamada:{secret('yamada')}".encode()).decode()

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    ca, certificate = make(folder / "tls", ["www.example.jp", "localhost"])
    site, plain = StandinThread(certificate, http2=False), StandinThread(None)
    resolve = {"www.example.jp": site.address, "intranet.example.jp": plain.address}
    installation = Installation(folder / "run", upstream_ca=ca, resolve=resolve)
    installation.start()
    try:
        installation.user("yamada")
        until_known(installation)
        yield installation, ca
    finally:
        installation.stop()
        site.stop()
        plain.stop()


def until_known(installation):
    """Wait for the workers to have heard of the person: at most five seconds, they say."""
    deadline = time.monotonic() + 15
    while True:
        with RawClient(installation.gate) as client:
            if client.connect("www.example.jp:443", YAMADA).status == 200:
                return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def figures(installation):
    """Scrape once; return each series with its value."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{installation.metrics}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def until(installation, series, least):
    deadline = time.monotonic() + 15
    while (found := figures(installation).get(series, 0.0)) < least:
        assert time.monotonic() < deadline, f"{series} is {found}, not {least}"
        time.sleep(0.2)


@pytest.mark.parametrize(
    "name", sorted(each._name for each in every_metric().values() if isinstance(each, Gauge))
)
def test_every_gauge_is_set_by_somebody(tree, name):
    installation, _ = tree
    deadline = time.monotonic() + 15
    # The number of open exchanges is first said when there was one.
    while name != "sekimori_open_exchanges":
        if any(re.match(rf"{name}[{{ ]?", series) for series in figures(installation)):
            break
        assert time.monotonic() < deadline, name
        time.sleep(0.2)


def test_the_high_water_mark_is_the_configured_one(tree):
    installation, _ = tree
    until(installation, "sekimori_spool_high_water_bytes", 4 * 2**30)


def test_what_passes_through_a_tunnel_is_counted_in_both_directions(tree):
    installation, ca = tree
    before = figures(installation)
    with RawClient(installation.gate) as client:
        assert client.connect("www.example.jp:443", YAMADA).status == 200
        client.tls("www.example.jp", ca)
        reply = client.request("GET /page HTTP/1.1\nHost: www.example.jp")
        assert reply.status == 200
    up = 'sekimori_tunnel_bytes_total{direction="up",kind="uncatalogued"}'
    down = 'sekimori_tunnel_bytes_total{direction="down",kind="uncatalogued"}'
    until(installation, up, before[up] + 500)
    until(installation, down, before[down] + 1000)
    until(installation, 'sekimori_tunnels_total{kind="uncatalogued"}', 1)


def test_what_passes_over_plain_http_is_counted(tree):
    installation, _ = tree
    down = 'sekimori_tunnel_bytes_total{direction="down",kind="uncatalogued"}'
    before = figures(installation)[down]
    with RawClient(installation.gate) as client:
        reply = client.request(
            "GET http://intranet.example.jp/x HTTP/1.1\nHost: intranet.example.jp\n"
            f"Proxy-Authorization: {YAMADA}"
        )
        assert reply.status == 200
    until(installation, down, before + 1)


def test_a_refused_password_is_counted(tree):
    installation, _ = tree
    wrong = "Basic " + base64.b64encode(b"yamada:wrong-password").decode()
    with RawClient(installation.gate) as client:
        assert client.connect("www.example.jp:443", wrong).status == 407
    until(installation, 'sekimori_authentications_total{result="wrong"}', 1)
