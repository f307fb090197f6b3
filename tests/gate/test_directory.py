"""People from a directory: a real OpenLDAP server on a loopback port."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sansldap import FilterEquality

from sekimori.errors import ConfigError
from sekimori.gate.directory.connection import Connection, DirectoryError
from sekimori.gate.directory.filters import escape, render
from sekimori.gate.directory.lookup import Directory
from sekimori.gate.directory.settings import DirectorySettings, Server
from support.slapd import ADMIN, BASE, Slapd, filled, group, group_dn, person, person_dn

PASSWORD = "correct horse battery"
AWKWARD = "paren)(uid=*"

type Asking = Callable[[DirectorySettings], Directory]


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    slapd = filled()
    try:
        slapd.add(
            person("yamada", PASSWORD),
            person("suzuki", "another password"),
            f"dn: uid=twin\\,1,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: twin\nuid: tw\nsn: t\ncn: t\n",
            group("section", person_dn("yamada")),
            group("department", group_dn("section")),
            group("ministry", group_dn("department"), group_dn("loop")),
            group("loop", group_dn("ministry")),
            group("others", person_dn("suzuki")),
        )
        yield slapd
    finally:
        slapd.stop()


def settings(slapd: Slapd, **changes: object) -> DirectorySettings:
    told = DirectorySettings(
        urls=(f"ldaps://localhost:{slapd.tls_port}",),
        ca_file=str(slapd.ca),
        bind_dn=ADMIN,
        bind_password_file=str(slapd.secret),
        user_base=f"ou=people,{BASE}",
        group_base=f"ou=groups,{BASE}",
    )
    return msgspec.structs.replace(told, **changes)


@pytest.fixture
def asking() -> Iterator[Asking]:
    """Make directories that are closed when the test ends."""
    with ExitStack() as closing:

        def make(told: DirectorySettings) -> Directory:
            directory = Directory(told)
            closing.callback(directory.close)
            return directory

        yield make


@pytest.fixture
def directory(server: Slapd, asking: Asking) -> Directory:
    return asking(settings(server))


def test_a_person_comes_with_the_groups_of_their_groups_and_a_circle_ends(directory: Directory):
    found = directory.verify("yamada", PASSWORD)
    assert found is not None
    assert (found.name, found.groups) == ("yamada", ("department", "loop", "ministry", "section"))


def test_without_nesting_only_the_groups_that_name_the_person_count(server: Slapd, asking: Asking):
    found = asking(settings(server, nesting="none")).find("yamada")
    assert found is not None
    assert found.groups == ("section",)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("yamada", "wrong", id="a wrong password"),
        pytest.param("yamada", "", id="an empty password, which a server takes for an anonymous sign-in"),
        pytest.param("nobody", PASSWORD, id="an unknown name"),
        pytest.param("*", PASSWORD, id="a wildcard"),
        pytest.param("yam*", PASSWORD, id="the beginning of a name"),
        pytest.param(AWKWARD, PASSWORD, id="a filter of the client's own"),
        pytest.param("yamada)(uid=yamada", PASSWORD, id="a filter that would close itself"),
        pytest.param("yamada\0", PASSWORD, id="a name with a NUL"),
        pytest.param("twin", PASSWORD, id="an entry with two names"),
        pytest.param("", PASSWORD, id="no name"),
    ],
)
def test_nobody_signs_in_with(directory: Directory, name: str, password: str):
    assert directory.verify(name, password) is None


def test_however_the_name_is_written_it_is_one_subject(directory: Directory):
    found = directory.verify("YAMADA", PASSWORD)
    assert found is not None
    assert found.name == "yamada"


def test_a_changed_password_a_new_group_and_a_removed_person_show_at_the_next_question(
    server: Slapd, asking: Asking
):
    server.add(person("ito", "first password"))
    asked = asking(settings(server))
    assert asked.verify("ito", "first password") is not None
    server.modify(
        f"dn: {person_dn('ito')}\nchangetype: modify\nreplace: userPassword\nuserPassword: second\n"
    )
    server.modify(f"dn: {group_dn('others')}\nchangetype: modify\nadd: member\nmember: {person_dn('ito')}\n")
    assert asked.verify("ito", "first password") is None
    found = asked.verify("ito", "second")
    assert found is not None
    assert found.groups == ("others",)
    server.modify(f"dn: {person_dn('ito')}\nchangetype: delete\n")
    assert asked.find("ito") is None


def test_start_tls_is_spoken_before_any_password(server: Slapd, asking: Asking):
    asked = asking(settings(server, urls=(f"ldap://localhost:{server.port}",), start_tls=True))
    assert asked.verify("yamada", PASSWORD) is not None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ca_file": ""}, id="a certificate that nobody vouches for"),
        pytest.param({"urls": ("ldaps://127.0.0.1:{tls}",)}, id="a certificate of another name"),
        pytest.param({"urls": ("ldaps://localhost:{plain}",)}, id="a port without TLS"),
        pytest.param({"urls": ("ldaps://localhost:1",)}, id="nobody there"),
        pytest.param({"bind_dn": person_dn("suzuki")}, id="a wrong password of the gate's own"),
        pytest.param({"bind_password_file": "/nonexistent"}, id="a missing password file"),
        pytest.param({"bind_dn": "", "user_base": "dc=elsewhere"}, id="not allowed to search"),
    ],
)
def test_the_directory_counts_as_unavailable_with(server: Slapd, asking: Asking, changes: dict[str, object]):
    urls = changes.get("urls")
    if isinstance(urls, tuple):
        filled_in = tuple(url.format(tls=server.tls_port, plain=server.port) for url in urls)
        changes = changes | {"urls": filled_in}
    asked = asking(settings(server, timeout=1.0, **changes))
    if "user_base" in changes:  # a server that shows nothing knows nobody
        assert asked.verify("yamada", PASSWORD) is None
        return
    with pytest.raises(DirectoryError) as raised:
        asked.verify("yamada", PASSWORD)
    assert "password" not in str(raised.value) or PASSWORD not in str(raised.value)


def test_the_second_server_is_asked_when_the_first_does_not_answer(server: Slapd, asking: Asking):
    urls = ("ldaps://localhost:1", f"ldaps://localhost:{server.tls_port}")
    assert asking(settings(server, urls=urls)).verify("yamada", PASSWORD) is not None


def test_a_server_that_was_restarted_is_asked_again(asking: Asking):
    slapd = filled()
    try:
        slapd.add(person("yamada", PASSWORD))
        asked = asking(settings(slapd))
        assert asked.verify("yamada", PASSWORD) is not None
        slapd.stop()
        with pytest.raises(DirectoryError):
            asked.verify("yamada", PASSWORD)
        slapd.start()
        assert asked.verify("yamada", PASSWORD) is not None
    finally:
        slapd.stop()


def test_a_server_that_says_nothing_is_given_up_in_time(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = Server("127.0.0.1", silent.getsockname()[1], tls=False)
        started = time.monotonic()
        with (
            Connection(server, trust=None, start_tls=False, timeout=0.3) as connection,
            pytest.raises(DirectoryError),
        ):
            connection.bind("cn=x", "y")
        with pytest.raises(DirectoryError):
            Connection(server, trust=ssl.create_default_context(), start_tls=True, timeout=0.3)
        assert time.monotonic() - started < 2


@given(st.text())
def test_whatever_a_client_calls_itself_stays_a_value(name: str):
    written = render("(uid={name})", {"name": name}) if name else None
    if written is not None:
        assert isinstance(written, FilterEquality)
        assert written.value == name.encode("utf-8", "surrogatepass")
    assert not set(escape(name)) & set("()*\0=&|!<>~")


def test_a_template_that_is_no_filter_is_the_administrators_fault():
    with pytest.raises(ConfigError, match="no LDAP filter"):
        render("(uid={name}", {"name": "x"})


@pytest.mark.parametrize(
    ("url", "server"),
    [
        pytest.param("ldaps://dc1.example", Server("dc1.example", 636, tls=True), id="ldaps"),
        pytest.param("ldap://dc1.example/", Server("dc1.example", 389, tls=False), id="ldap"),
        pytest.param("ldaps://[::1]:7636", Server("::1", 7636, tls=True), id="an address of six"),
        pytest.param("ldaps://[::1]", Server("::1", 636, tls=True), id="an address of six without a port"),
    ],
)
def test_a_url_names_a_server(url: str, server: Server):
    assert Server.read(url) == server


@pytest.mark.parametrize(
    "url", ["http://x", "ldap://", "ldaps://x:0", "ldaps://x:y", "ldaps://x/dc=jp", "x", "ldapi:///x"]
)
def test_what_is_no_url_of_a_directory_is_said(url: str):
    with pytest.raises(ValueError, match="ldap"):
        Server.read(url)


def test_too_many_groups_or_too_deep_ones_refuse_the_person_and_not_the_directory(
    server: Slapd, asking: Asking, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sekimori.gate.directory.lookup._MOST_GROUPS", 2)
    asked = asking(settings(server))
    server.add(person("busy", PASSWORD), *(group(f"g{n}", person_dn("busy")) for n in range(3)))
    assert asked.verify("busy", PASSWORD) is None
    assert asked.verify("yamada", PASSWORD) is not None
    monkeypatch.setattr("sekimori.gate.directory.lookup._DEEPEST", 2)
    assert asked.verify("yamada", PASSWORD) is None
    assert asked.verify("suzuki", "another password") is not None


def test_active_directorys_own_chain_is_asked_for_in_one_question(server: Slapd, asking: Asking):
    # OpenLDAP knows no such rule and answers with nobody; what is sent is what matters here.
    told = settings(server, nesting="chain", group_filter="(member={dn})")
    assert asking(told)._template() == "(member:1.2.840.113556.1.4.1941:={dn})"
    found = asking(told).find("yamada")
    assert found is not None
    assert found.groups == ()
