"""The listener's own TLS: whose certificate it believes, and how it follows its files."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL

from sekimori.addons.peers import read_certificate
from sekimori.errors import ConfigError
from sekimori.gate.listener import Listener
from support.clientcerts import ClientAuthority


def shake(listener: Listener, ca: Path, files: tuple[Path, Path] | None = None) -> tuple[bool, str | None]:
    """Shake hands over a pair of sockets; tell whether the server is content, and whom it has seen."""
    left, right = socket.socketpair()
    for end in (left, right):
        end.settimeout(10)
    client = ssl.create_default_context(cafile=str(ca))
    if files is not None:
        client.load_cert_chain(*files)

    def speak() -> None:
        try:
            with client.wrap_socket(left, server_hostname="gate.example") as wrapped:
                wrapped.recv(1)
        except OSError:
            left.close()

    talking = threading.Thread(target=speak)
    talking.start()
    right.setblocking(True)
    server = SSL.Connection(listener.context(), right)
    server.set_accept_state()
    try:
        server.do_handshake()
        found = server.get_peer_certificate(as_cryptography=True)
        server.send(b"x")
        return True, None if found is None else read_certificate(found).names.get("cn")
    except SSL.Error:
        return False, None
    finally:
        right.close()
        talking.join(10)


@pytest.fixture
def own(tmp_path: Path) -> ClientAuthority:
    return ClientAuthority(tmp_path / "own")


@pytest.fixture
def people(tmp_path: Path) -> ClientAuthority:
    return ClientAuthority(tmp_path / "people")


def test_a_certificate_is_asked_for_and_verified_and_none_is_let_in(
    own: ClientAuthority, people: ClientAuthority, tmp_path: Path
):
    listener = Listener(*own.issue("gate", hosts=("gate.example",)), client_ca_file=people.file)
    strangers = ClientAuthority(tmp_path / "strangers")
    assert shake(listener, own.file) == (True, None)
    assert shake(listener, own.file, people.issue("yamada")) == (True, "yamada")
    assert shake(listener, own.file, strangers.issue("yamada")) == (False, None)
    assert shake(listener, own.file, people.issue("old", days=-1)) == (False, None)


def test_a_revoked_certificate_ends_the_handshake(own: ClientAuthority, people: ClientAuthority):
    lost = people.issue("lost")
    listener = Listener(
        *own.issue("gate", hosts=("gate.example",)),
        client_ca_file=people.file,
        client_crl_file=people.revoke(lost[0]),
    )
    assert shake(listener, own.file, lost) == (False, None)
    assert shake(listener, own.file, people.issue("yamada")) == (True, "yamada")


def test_a_renewed_certificate_is_shown_within_seconds_and_a_broken_file_is_not(own: ClientAuthority):
    now = [0.0]
    files = own.issue("gate", hosts=("gate.example",))
    listener = Listener(*files, monotonic=lambda: now[0])
    first = listener.context()
    own.issue("gate", hosts=("gate.example",))
    assert listener.context() is first
    now[0] = 10.0
    second = listener.context()
    assert second is not first
    files[0].write_text("nothing of the kind")
    now[0] = 20.0
    assert listener.context() is second


@pytest.mark.parametrize("which", ["missing", "no certificate", "another's key"])
def test_a_listener_is_not_made_of(own: ClientAuthority, which: str):
    certificate, key = own.issue("gate")
    if which == "missing":
        certificate.unlink()
    elif which == "no certificate":
        certificate.write_text("x")
    else:
        key = own.issue("other")[1]
    with pytest.raises(ConfigError, match=r"gate\.tls"):
        Listener(certificate, key)


def test_names_are_read_from_a_certificate_and_a_name_given_twice_is_none(own: ClientAuthority):
    file, _ = own.issue("yamada", hosts=("PC1.example",), emails=("yamada@example.jp",))
    read = read_certificate(x509.load_pem_x509_certificate(file.read_bytes()))
    assert read.names == {"cn": "yamada", "email": "yamada@example.jp"}
    assert read.hosts == {"pc1.example"}
    twice, _ = own.issue("ito", emails=("a@example.jp", "b@example.jp"))
    assert read_certificate(x509.load_pem_x509_certificate(twice.read_bytes())).names == {"cn": "ito"}
