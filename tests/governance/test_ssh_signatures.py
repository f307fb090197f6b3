"""Signatures as ssh-keygen and OpenSSL make them."""

import shutil
import subprocess
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance.authority import ApprovalAuthority
from sekimori.governance.signatures import read_signature, signed_bytes, signers
from sekimori.governance.ssh_signature import public_key_bytes, read_ssh_signature
from support.offices import NOW

TEXT = "services: []\n# 会議録\n".encode()
PLAIN = Ed25519PrivateKey.from_private_bytes(bytes(32))

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


def authority(id_, key):
    return ApprovalAuthority(id=id_, status="ACTIVE", holder=id_, start=date(2026, 1, 1), public_key=key)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ssh")
    for name, kind in (("taro", "ed25519"), ("yuki", "ed25519"), ("rsa", "rsa")):
        made = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(folder / name)]
        subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    return folder


def sign(keys, name, text=TEXT, *, namespace="sekimori-apply", options=()):
    file = keys / f"{name}.txt"
    file.write_bytes(text)
    (keys / f"{name}.txt.sig").unlink(missing_ok=True)
    asked = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, *options, "-f", str(keys / name), str(file)]
    subprocess.run(asked, check=True, capture_output=True)
    return (keys / f"{name}.txt.sig").read_bytes()


@pytest.fixture(scope="module")
def both(keys):
    return tuple(authority(name, (keys / f"{name}.pub").read_text()) for name in ("taro", "yuki"))


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize("options", [(), ("-O", "hashalg=sha256"), ("-O", "hashalg=sha512")])
def test_what_ssh_keygen_signs_is_known_by_its_key(keys, both, options):
    given = [
        *read_signature(sign(keys, "taro", options=options), both),
        *read_signature(sign(keys, "yuki"), both),
    ]
    assert [each.id for each in signers(TEXT, given, both, NOW)] == ["taro", "yuki"]
    assert signers(TEXT + b" ", given, both, NOW) == ()


def test_a_signature_of_somebody_unknown_is_nobodys(keys, both):
    assert read_signature(sign(keys, "yuki"), both[:1]) == ()


@pytest.mark.parametrize(
    ("name", "namespace", "message"),
    [
        pytest.param("taro", "git", "another purpose", id="made for a commit"),
        pytest.param("rsa", "sekimori-apply", "Ed25519", id="an RSA key"),
    ],
)
def test_another_kind_of_signature_is_refused(keys, both, name, namespace, message):
    with pytest.raises(ValueError, match=message):
        read_signature(sign(keys, name, namespace=namespace), both)


def test_a_plain_signature_counts_for_whoever_made_it(both):
    registered = (*both, authority("saki", PLAIN.public_key().public_bytes_raw().hex()))
    given = read_signature(PLAIN.sign(signed_bytes(TEXT)), registered)
    assert [each.id for each in signers(TEXT, given, registered, NOW)] == ["saki"]


def test_openssl_makes_such_a_plain_signature(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    key, public, said = tmp_path / "key.pem", tmp_path / "pub.der", tmp_path / "said"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True
    )
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER", "-out", public], check=True)
    said.write_bytes(signed_bytes(TEXT))
    asked = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", said, "-out", tmp_path / "sig"]
    subprocess.run(asked, check=True)
    registered = (authority("saki", public.read_bytes()[-32:].hex()),)
    given = read_signature((tmp_path / "sig").read_bytes(), registered)
    assert [each.id for each in signers(TEXT, given, registered, NOW)] == ["saki"]


@given(st.binary(max_size=300))
def test_bytes_that_are_no_signature_are_no_error_of_ours(data):
    for tried in (data, b"-----BEGIN SSH SIGNATURE-----\n" + data + b"\n-----END SSH SIGNATURE-----"):
        with pytest.raises(ValueError, match=r"."):
            read_ssh_signature(tried)
    if len(data) != 64:
        with pytest.raises(ValueError, match=r"."):
            read_signature(data, ())


@pytest.mark.parametrize("text", ["", "zz", "00", "ssh-rsa AAAA", "ssh-ed25519 AAAA", "ssh-ed25519 !"])
def test_what_is_no_ed25519_key_is_none(text):
    with pytest.raises(ValueError, match=r"."):
        public_key_bytes(text)
