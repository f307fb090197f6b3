"""Every way of saying who one is, at one gate that speaks TLS: passwords, a real directory, a real parent, keys."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import openai
import pytest

from support.clientcerts import ClientAuthority
from support.installation import Installation, secret
from support.rawclient import RawClient, Reply, basic
from support.slapd import ADMIN, BASE, Slapd, filled, group, group_dn, person, person_dn
from support.squid import Squid
from support.standin.certificates import make
from support.threads import StandinThread

pytestmark = pytest.mark.e2e

API = "api.openai.com"
OTHER = "api.anthropic.com"
SITE = "intranet.example.jp"
DIRECTORY_PASSWORD = "correct horse battery"
PARENT_PASSWORD = "known to Squid alone"

POLICY = """
services:
  - {id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [api.openai.com], contract: individual,
     contract_no: K-1, data_locations: [US]}
  - {id: anthropic-api, name: Anthropic API, provider: Anthropic, hosts: [api.anthropic.com],
     contract: individual, contract_no: K-2, data_locations: [US]}
grants:
  - {id: g-openai, service: openai-api, users: [yamada], groups: [department], purpose: 会議録の要約,
     period: {start: 2026-04-01, end: 2099-03-31}, max_class: 1,
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第1号}
  - {id: g-anthropic, service: anthropic-api, users: [yamada], purpose: 翻訳,
     period: {start: 2026-04-01, end: 2099-03-31}, max_class: 1,
     administrator: tanaka, decided_by: sasaki, decided_on: 2026-03-20, reference: 情シ第2号}
"""

CONFIG = """
[gate]
record_timeout = "10s"
drain = "5s"
[gate.tls]
certificate_file = "{certificate}"
key_file = "{key}"
client_ca_file = "{ca}"
name = "localhost"
[identity]
sources = ["basic", "ldap", "header", "mtls", "apikey"]
[identity.ldap]
urls = ["ldaps://localhost:{ldap}"]
ca_file = "{ldap_ca}"
bind_dn = "{admin}"
bind_password_file = "{password_file}"
user_base = "ou=people,{base}"
group_base = "ou=groups,{base}"
timeout = "2s"
[identity.header]
parents = ["squid.example.jp"]
"""


@dataclass(slots=True)
class Office:
    """One installation with everything around it."""

    installation: Installation
    service: StandinThread
    directory: Slapd
    people: ClientAuthority
    listener_ca: Path
    root: Path
    strangers: ClientAuthority

    def curl(self, proxy: str, *arguments: str, url: str = f"https://{API}/v1/models") -> str:
        """Run the system's curl; return the status, or the answer to CONNECT and curl's code."""
        program = shutil.which("curl")
        assert program
        done = subprocess.run(
            [
                program,
                *("--silent", "--max-time", "30", "--cacert", str(self.root)),
                *("--proxy-cacert", str(self.listener_ca), "--proxy", proxy),
                *("-o", "/dev/null", "-w", "%{http_connect} %{http_code}"),
                *arguments,
                url,
            ],
            capture_output=True,
            text=True,
            env=self.installation.environment(),
        )
        return done.stdout

    def through(self, credentials: str = "") -> str:
        """Return the gate's own address."""
        return f"https://{credentials}{'@' if credentials else ''}localhost:{self.installation.gate}"

    def last(self) -> dict[str, object]:
        """Return the newest record, with all that is said of it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = self.installation.records()
            if found:
                newest = max(found, key=lambda record: record["id"])
                shown = self.installation.run("log", "show", newest["id"], "--json").stdout
                record: dict[str, object] = json.loads(shown)
                return record
            time.sleep(0.2)
        raise AssertionError("nothing was recorded")

    def ask(
        self, *headers: str, authorization: str | None = None, files: tuple[Path, Path] | None = None
    ) -> Reply:
        """Send one CONNECT over TLS, with or without a client certificate."""
        context = ssl.create_default_context(cafile=str(self.listener_ca))
        if files is not None:
            context.load_cert_chain(*files)
        with RawClient(self.installation.gate) as client:
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
            return client.connect(f"{API}:443", authorization, *headers)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    upstream_ca, certificate = make(folder / "tls", [API, OTHER])
    service = StandinThread(certificate)
    directory = filled()
    listener = ClientAuthority(folder / "listener")
    people = ClientAuthority(folder / "people")
    shown, key = listener.issue("localhost", hosts=("localhost",))
    config = CONFIG.format(
        certificate=shown,
        key=key,
        ca=people.file,
        ldap=directory.tls_port,
        ldap_ca=directory.ca,
        admin=ADMIN,
        password_file=directory.secret,
        base=BASE,
    )
    installation = Installation(
        folder / "run",
        upstream_ca=upstream_ca,
        resolve=dict.fromkeys((API, OTHER), service.address),
        config=config,
    )
    try:
        directory.add(
            person("ito", DIRECTORY_PASSWORD),
            person("mori", DIRECTORY_PASSWORD),
            group("section", person_dn("ito")),
            group("department", group_dn("section")),
        )
        installation.start()
        installation.user("yamada")
        installation.apply(POLICY)
        strangers = ClientAuthority(folder / "strangers")
        yield Office(installation, service, directory, people, listener.file, installation.root(), strangers)
    finally:
        installation.stop()
        directory.stop()
        service.stop()


@pytest.mark.req("MOU-1-8")
def test_a_person_of_the_directory_passes_by_a_group_of_a_group_without_an_account_here(office: Office):
    assert office.curl(office.through("ito:" + DIRECTORY_PASSWORD.replace(" ", "%20"))) == "200 200"
    record = office.last()
    assert (record["user"], record["user_source"], record["decision"]) == ("ito", "ldap", "allow")


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param("ito:wrong", id="a wrong password"),
        pytest.param("nobody:" + "x" * 12, id="an unknown name"),
        pytest.param("i*:correct%20horse%20battery", id="a wildcard for a name"),
        pytest.param("", id="nothing"),
        pytest.param("yamada:correct%20horse%20battery", id="a local name with another's password"),
    ],
)
def test_who_cannot_say_who_they_are_gets_a_407(office: Office, credentials: str):
    assert office.curl(office.through(credentials)).startswith("407")


def test_a_person_of_the_directory_without_the_group_is_known_and_out_of_scope(office: Office):
    assert office.curl(office.through("mori:" + DIRECTORY_PASSWORD.replace(" ", "%20"))) == "200 403"


def test_a_proxy_password_of_ones_own_still_passes_over_tls(office: Office):
    assert office.curl(office.through(f"yamada:{secret('yamada')}")) == "200 200"
    assert office.last()["user_source"] == "basic"


def test_plain_http_to_a_listener_that_speaks_tls_is_closed(office: Office):
    with socket.create_connection(("127.0.0.1", office.installation.gate), 10) as plain:
        plain.sendall(f"CONNECT {API}:443 HTTP/1.1\r\nHost: {API}:443\r\n\r\n".encode())
        assert plain.recv(100) == b""


def test_the_pac_file_says_https_and_the_name_in_the_certificate(office: Office):
    script = httpx2.get(f"http://127.0.0.1:{office.installation.web}/proxy.pac", trust_env=False).text
    assert f'"HTTPS localhost:{office.installation.gate}"' in script


# --- certificates ----------------------------------------------------------------------------


def test_a_client_certificate_is_a_person_that_the_gate_knows(office: Office):
    certificate, key = office.people.issue("yamada")
    options = ("--proxy-cert", str(certificate), "--proxy-key", str(key))
    assert office.curl(office.through(), *options) == "200 200"
    record = office.last()
    assert (record["user"], record["user_source"]) == ("yamada", "mtls")


def test_a_certificate_names_people_of_the_directory_too(office: Office):
    assert office.ask(files=office.people.issue("ito")).status == 200


def test_a_good_certificate_of_somebody_unknown_is_nobody(office: Office):
    assert office.ask(files=office.people.issue("nobody")).status == 407


@pytest.mark.parametrize("of", ["strangers", "run out"])
def test_a_certificate_that_does_not_hold_ends_the_handshake(office: Office, of: str):
    files = office.strangers.issue("yamada") if of == "strangers" else office.people.issue("old", days=-1)
    assert office.ask(files=files).status == 0  # closed without a word


def test_a_wrong_password_beside_a_good_certificate_is_refused(office: Office):
    reply = office.ask(files=office.people.issue("yamada"), authorization=basic("yamada", "wrong"))
    assert reply.status == 407


# --- the parent's header ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def parent(office: Office) -> tuple[Path, Path]:
    return office.people.issue("squid", hosts=("squid.example.jp",))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(("X-Authenticated-User: yamada",), 200, id="once"),
        pytest.param((), 407, id="not at all"),
        pytest.param(("X-Authenticated-User: nobody",), 407, id="of somebody unknown"),
        pytest.param(("X-Authenticated-User: -",), 407, id="Squid's word for nobody"),
        pytest.param(("X-Authenticated-User: yamada", "X-Authenticated-User: ito"), 400, id="twice"),
        pytest.param(("X-Authenticated-User: yamada, ito",), 400, id="as a list"),
        pytest.param(("X-Forwarded-User: yamada",), 407, id="under another name"),
    ],
)
def test_the_listed_parent_says_who_its_client_is(
    office: Office, parent: tuple[Path, Path], headers: tuple[str, ...], status: int
):
    assert office.ask(*headers, files=parent).status == status


def test_nobody_elses_header_counts(office: Office):
    claim = "X-Authenticated-User: yamada"
    assert office.ask(claim).status == 407
    assert office.ask(claim, files=office.people.issue("nobody")).status == 407
    with_cn_only = office.people.issue("squid.example.jp")
    assert office.ask(claim, files=with_cn_only).status == 407


def test_of_the_forwarding_chain_only_the_last_hop_is_taken_and_only_from_the_parent(
    office: Office, parent: tuple[Path, Path]
):
    chain = ("X-Authenticated-User: yamada", "X-Forwarded-For: 6.6.6.6, 192.0.2.7")
    context = ssl.create_default_context(cafile=str(office.listener_ca))
    for files, client in ((parent, "192.0.2.7"), (office.people.issue("yamada"), "127.0.0.1")):
        context.load_cert_chain(*files)
        with RawClient(office.installation.gate) as raw:
            raw.socket = context.wrap_socket(raw.socket, server_hostname="localhost")
            assert raw.connect("claude.ai:80", None, *chain).reason == "DENY_PORT"
        record = office.last()
        assert (record["client"], record["user"]) == (client, "yamada")


@pytest.mark.req("MOU-1-8")
def test_behind_a_real_squid_its_user_is_the_person_and_a_forged_header_is_not(
    office: Office, parent: tuple[Path, Path]
):
    squid = Squid(office.installation.gate, (*parent, office.listener_ca), {"ito": PARENT_PASSWORD})
    squid.start()
    try:
        proxy = f"http://ito:{PARENT_PASSWORD.replace(' ', '%20')}@127.0.0.1:{squid.port}"
        forged = ("--proxy-header", "X-Authenticated-User: yamada", "-H", "X-Authenticated-User: yamada")
        for options in ((), forged):
            assert office.curl(proxy, *options) == "200 200", squid.log()
            record = office.last()
            assert (record["user"], record["user_source"]) == ("ito", "header/mtls")
            assert record["client"] == "127.0.0.1"
        asked = office.service.server.seen[-1]
        assert not [name for name in asked.headers if "authenticated" in name.lower()]
        assert office.curl(proxy.replace("ito:", "mori:")).startswith("407")
    finally:
        squid.stop()


# --- agents' keys ----------------------------------------------------------------------------


def new_key(office: Office, *, owner: str = "yamada", grant: str = "g-openai") -> dict[str, str]:
    made = office.installation.run("key", "create", "--owner", owner, "--grant", grant, "--json")
    found: dict[str, str] = json.loads(made.stdout)
    return found


@pytest.mark.req("MOU-1-8")
def test_an_agents_key_passes_by_its_own_grant_and_no_other(office: Office):
    key = new_key(office)
    bearer = ("--proxy-header", f"Proxy-Authorization: Bearer {key['key']}")
    assert office.curl(office.through(), *bearer) == "200 200"
    record = office.last()
    assert (record["user"], record["user_source"]) == ("yamada", f"key/{key['id']}/g-openai")
    other = f"https://{OTHER}/v1/models"
    assert office.curl(office.through(f"yamada:{secret('yamada')}"), url=other) == "200 200"
    assert office.curl(office.through(), *bearer, url=other) == "200 403"


@pytest.mark.parametrize(("name", "status"), [("key", "200 200"), ("yamada", "200 200"), ("ito", "407 000")])
def test_where_only_basic_can_be_sent_the_key_is_the_password(office: Office, name: str, status: str):
    assert office.curl(office.through(f"{name}:{new_key(office)['key']}")) == status


def test_an_sdk_sends_its_key_in_the_address_of_the_proxy(office: Office):
    outer = ssl.create_default_context(cafile=str(office.listener_ca))
    proxy = httpx2.Proxy(office.through(f"key:{new_key(office)['key']}"), ssl_context=outer)
    inner = ssl.create_default_context(cafile=str(office.root))
    client = httpx2.Client(proxy=proxy, verify=inner, timeout=30, trust_env=False)
    with openai.OpenAI(api_key="sk-x", http_client=client) as sdk:
        assert sdk.models.list().data


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"), str.upper, lambda key: key + "A"]
)
def test_a_key_with_one_character_changed_is_nobody(office: Office, change):
    bearer = ("--proxy-header", f"Proxy-Authorization: Bearer {change(new_key(office)['key'])}")
    assert office.curl(office.through(), *bearer) == "407 000"


def test_a_revoked_key_is_dead_within_five_seconds_and_stays_listed(office: Office):
    key = new_key(office)
    office.installation.run("key", "revoke", key["id"])
    started = time.monotonic()
    bearer = ("--proxy-header", f"Proxy-Authorization: Bearer {key['key']}")
    while office.curl(office.through(), *bearer) != "407 000":
        assert time.monotonic() - started < 5
    listed = [
        json.loads(line) for line in office.installation.run("key", "list", "--json").stdout.splitlines()
    ]
    assert [one["revoked"] != "" for one in listed if one["id"] == key["id"]] == [True]
    assert key["key"] not in json.dumps(listed)


def test_a_tunnel_of_a_revoked_key_is_closed(office: Office):
    key = new_key(office)
    context = ssl.create_default_context(cafile=str(office.listener_ca))
    with RawClient(office.installation.gate) as client:
        client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        assert client.connect(f"{API}:443", f"Bearer {key['key']}").status == 200
        office.installation.run("key", "revoke", key["id"])
        client.socket.settimeout(6)
        assert client.socket.recv(1) == b""


def test_the_key_of_a_disabled_owner_is_dead(office: Office):
    office.installation.user("ueda")
    key = new_key(office, owner="ueda")
    office.installation.run("user", "disable", "ueda")
    bearer = ("--proxy-header", f"Proxy-Authorization: Bearer {key['key']}")
    assert office.curl(office.through(), *bearer) == "407 000"


@pytest.mark.parametrize(
    ("owner", "grant", "said"),
    [("yamada", "g-none", "No grant g-none"), ("nobody", "g-openai", "no account nobody")],
)
def test_a_key_without_a_real_owner_and_grant_is_not_made(office: Office, owner: str, grant: str, said: str):
    done = office.installation.run("key", "create", "--owner", owner, "--grant", grant, check=False)
    assert done.returncode == 2
    assert said in done.stderr


# --- the directory is gone -------------------------------------------------------------------


def test_no_key_and_no_password_stands_in_a_log(office: Office):
    said = office.installation.output()
    assert "sk-seki-" not in said
    assert DIRECTORY_PASSWORD not in said
    assert "the-gate-may-search" not in said


def test_a_directory_that_is_gone_refuses_its_people_with_a_reason_of_its_own_and_nobody_else(office: Office):
    office.directory.stop()
    try:
        reply = office.ask(authorization=basic("mori", "some other password"))
        assert (reply.status, reply.reason) == (503, "DENY_IDENTITY_UNAVAILABLE")
        assert office.curl(office.through(f"yamada:{secret('yamada')}")) == "200 200"
        metrics = httpx2.get(f"http://127.0.0.1:{office.installation.metrics}/metrics", trust_env=False).text
        assert "sekimori_directory_errors_total" in metrics
    finally:
        office.directory.start()
    deadline = time.monotonic() + 15
    while office.ask(authorization=basic("mori", DIRECTORY_PASSWORD)).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
