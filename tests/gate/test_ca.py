"""The root and the issuing certificates."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.errors import KeyAccessError, PolicyUnavailableError
from sekimori.gate.ca import NAMES_PER_SHARD, SHARD_LIFE, SHARD_RENEWAL, Issuer, IssuingSet
from sekimori.gate.names import permitted_names
from support.authority import NOW, Authority, openssl_verify, pem

AUTHORITY = Authority.make()
MANY = [(f"api.service{number:03}.example", number % 2 == 0) for number in range(100)]
DAY = timedelta(days=1)


def extension[E: x509.ExtensionType](cert: x509.Certificate, kind: type[E]) -> x509.Extension[E]:
    return cert.extensions.get_extension_for_class(kind)


def certificates(issuing_set: IssuingSet) -> set[x509.Certificate]:
    return {shard.cert for shard in issuing_set.shards}


def unbounded(authority: Authority) -> bytes:
    """Return an issuing certificate that permits whatever it likes."""
    key = authority.issuing_key.public_key()
    excluded = [x509.DNSName("only.this.is.excluded.example")]
    builder = x509.CertificateBuilder().subject_name(authority.root.cert.subject).public_key(key)
    builder = builder.issuer_name(authority.root.cert.subject).serial_number(1)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + DAY)
    builder = builder.add_extension(x509.NameConstraints(None, excluded), critical=True)
    return pem(builder.sign(authority.root.key, hashes.SHA256()))


def test_the_root_is_a_ca_for_ten_years_and_for_one_level_of_issuing_certificates():
    cert = AUTHORITY.root.cert
    constraints = extension(cert, x509.BasicConstraints)
    usage = extension(cert, x509.KeyUsage)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 1)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.digital_signature) == (True, False)
    assert extension(cert, x509.SubjectKeyIdentifier).value.digest
    assert cert.not_valid_after_utc - NOW == timedelta(days=3652)
    assert "O=Kasumi City" in cert.subject.rfc4514_string()


def test_an_issuing_certificate_is_short_lived_bound_to_names_and_to_no_address():
    (shard,) = AUTHORITY.issuer().cover([("openai.com", True), ("claude.ai", False)], NOW).shards
    constraints = extension(shard.cert, x509.NameConstraints)
    basic = extension(shard.cert, x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName("claude.ai"), x509.DNSName("openai.com")]
    assert [str(net.value) for net in constraints.value.excluded_subtrees or ()] == ["0.0.0.0/0", "::/0"]
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert list(extension(shard.cert, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert shard.cert.not_valid_after_utc == NOW + SHARD_LIFE


def test_all_names_are_covered_by_shards_of_bounded_size():
    issuing_set = AUTHORITY.issuer().cover(MANY, NOW)
    assert len(issuing_set.shards) == 5
    assert max(len(shard.names) for shard in issuing_set.shards) == NAMES_PER_SHARD
    found = {name: issuing_set.shard_for(name) for name, _ in MANY}
    assert all(shard is not None and name in shard.names for name, shard in found.items())
    assert issuing_set.shard_for("x.api.service000.example") is issuing_set.shard_for(
        "api.service000.example"
    )
    assert issuing_set.shard_for("bank.example") is None


def test_no_two_issuing_certificates_share_a_subject():
    first = AUTHORITY.issuer().cover(MANY, NOW)
    second = AUTHORITY.issuer().cover(MANY, NOW + DAY)
    assert len({cert.subject for cert in certificates(first) | certificates(second)}) == 10


@pytest.mark.parametrize(
    ("change", "replaced"),
    [
        pytest.param(lambda rules: rules, 0, id="nothing changed"),
        pytest.param(lambda rules: [*rules, ("api.new.example", False)], 1, id="one host more"),
        pytest.param(lambda rules: rules[1:], 1, id="one host less"),
        pytest.param(lambda rules: [*rules, ("service000.example", True)], 1, id="a parent of a known host"),
        pytest.param(lambda rules: list(reversed(rules)), 0, id="another order"),
    ],
)
def test_a_change_of_one_host_replaces_at_most_one_certificate(change, replaced):
    issuer = AUTHORITY.issuer()
    before = issuer.cover(MANY, NOW)
    after = issuer.cover(change(MANY), NOW + DAY, before)
    assert len(certificates(before) - certificates(after)) <= replaced
    assert len(certificates(after) - certificates(before)) == replaced
    assert all(after.shard_for(name) for name, _ in change(MANY))


def test_a_host_that_nobody_wants_any_more_is_not_permitted_any_more():
    issuer = AUTHORITY.issuer()
    after = issuer.cover(MANY[1:], NOW, issuer.cover(MANY, NOW))
    assert after.shard_for(MANY[0][0]) is None


def test_certificates_are_renewed_when_less_than_half_of_their_life_is_left():
    issuer = AUTHORITY.issuer()
    first = issuer.cover(MANY, NOW)
    assert issuer.cover(MANY, NOW + SHARD_LIFE - SHARD_RENEWAL, first).shards == first.shards
    renewed = issuer.cover(MANY, NOW + SHARD_LIFE - SHARD_RENEWAL + DAY, first)
    assert not certificates(first) & certificates(renewed)
    assert [shard.names for shard in renewed.shards] == [shard.names for shard in first.shards]


def test_certificates_from_the_future_are_renewed_too():
    issuer = AUTHORITY.issuer()
    future = issuer.cover(MANY, NOW + 10 * DAY)
    assert not certificates(future) & certificates(issuer.cover(MANY, NOW, future))


@settings(max_examples=15)
@given(st.lists(st.lists(st.sampled_from(MANY), max_size=12), min_size=1, max_size=5))
def test_whatever_the_history_the_permitted_names_are_those_of_the_last_rules(history):
    issuer, current = AUTHORITY.issuer(names_per_shard=4), None
    for day, rules in enumerate(history):
        current = issuer.cover(rules, NOW + day * DAY, current)
    assert current is not None
    assert {name for shard in current.shards for name in shard.names} == permitted_names(history[-1]).names
    assert all(0 < len(shard.names) <= 4 for shard in current.shards)


def test_rules_that_no_certificate_can_express_are_reported():
    assert AUTHORITY.issuer().cover([("x-*.azure.com", False)], NOW).uncovered == ("x-*.azure.com",)


def test_an_expired_root_issues_nothing():
    with pytest.raises(KeyAccessError, match="expired"):
        AUTHORITY.issuer().cover(MANY, NOW + timedelta(days=3653))


def test_a_bundle_is_read_back_as_it_was_written():
    issuing_set = AUTHORITY.issuer().cover(MANY, NOW)
    assert AUTHORITY.load(issuing_set.dump()).shards == issuing_set.shards
    assert AUTHORITY.load(b"").shards == ()


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(pem(AUTHORITY.root.cert), id="the root itself"),
        pytest.param(unbounded(AUTHORITY), id="bound to no name"),
        pytest.param(Authority.make().issuer().cover(MANY, NOW).dump(), id="another root's"),
        pytest.param(
            Authority(AUTHORITY.root, Authority.make().issuing_key).issuer().cover(MANY, NOW).dump(),
            id="another key's",
        ),
        pytest.param(AUTHORITY.issuer().cover(MANY, NOW).dump()[:900], id="cut off"),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", id="not a certificate"
        ),
        pytest.param(b"hello", id="not PEM"),
    ],
)
def test_a_bundle_that_the_root_did_not_issue_for_our_key_is_refused(bundle):
    with pytest.raises(PolicyUnavailableError):
        AUTHORITY.load(bundle)


@settings(max_examples=50)
@given(st.binary(max_size=300), st.integers(0, 900))
def test_no_bytes_make_the_bundle_reader_raise_anything_else(noise, at):
    good = AUTHORITY.issuer().cover(MANY[:1], NOW).dump()
    try:
        issuing_set = AUTHORITY.load(good[:at] + noise + good[at:])
    except PolicyUnavailableError:
        return
    assert all(shard.names == {MANY[0][0]} for shard in issuing_set.shards)


@pytest.mark.parametrize(
    ("names", "cn", "complaint"),
    [
        pytest.param([x509.DNSName("api.openai.com")], "", None, id="a permitted name"),
        pytest.param([x509.DNSName("bank.example")], "", "permitted subtree violation", id="another host"),
        pytest.param(
            [x509.DNSName("api.openai.com"), x509.DNSName("bank.example")],
            "",
            "permitted subtree violation",
            id="both",
        ),
        pytest.param([x509.DNSName("*.example")], "", "permitted subtree violation", id="a wildcard"),
        pytest.param([], "bank.example", "permitted subtree violation", id="only a common name"),
        pytest.param(
            [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))],
            "",
            "excluded subtree",
            id="IPv4",
        ),
        pytest.param(
            [x509.IPAddress(ipaddress.ip_address("2001:db8::1"))],
            "",
            "excluded subtree",
            id="IPv6",
        ),
    ],
)
def test_openssl_accepts_from_a_stolen_issuing_key_only_what_its_certificate_permits(
    tmp_path, names, cn, complaint
):
    (shard,) = AUTHORITY.issuer().cover([("openai.com", True)], NOW).shards
    forged = AUTHORITY.forge(names, shard.cert, NOW, cn)
    said = openssl_verify(
        tmp_path, root=pem(AUTHORITY.root.cert), leaf=forged, chain=pem(shard.cert), now=NOW, strict=False
    )
    assert said == "OK" if complaint is None else complaint in said


@pytest.mark.parametrize(("host", "accepted"), [("api.openai.com", True), ("bank.example", False)])
def test_a_second_implementation_reads_the_constraint_in_the_same_way(host, accepted):
    (shard,) = AUTHORITY.issuer().cover([("openai.com", True)], NOW).shards
    forged = x509.load_pem_x509_certificate(AUTHORITY.forge([x509.DNSName(host)], shard.cert, NOW))
    verifier = (
        PolicyBuilder()
        .store(Store([AUTHORITY.root.cert]))
        .time(NOW)
        .build_server_verifier(x509.DNSName(host))
    )
    if accepted:
        assert verifier.verify(forged, [shard.cert])[-1] == AUTHORITY.root.cert
    else:
        with pytest.raises(VerificationError, match="constraint"):
            verifier.verify(forged, [shard.cert])


def test_a_stolen_issuing_key_cannot_make_a_ca_below_itself(tmp_path):
    (shard,) = AUTHORITY.issuer().cover([("openai.com", True)], NOW).shards
    thief = Authority.make()
    below = Issuer(AUTHORITY.issuing_key, shard.cert, thief.issuing_key.public_key()).cover(
        [("api.openai.com", False)], NOW
    )
    said = openssl_verify(
        tmp_path,
        root=pem(AUTHORITY.root.cert),
        leaf=thief.forge([x509.DNSName("api.openai.com")], below.shards[0].cert, NOW),
        chain=below.dump() + pem(shard.cert),
        now=NOW,
        strict=False,
    )
    assert "path length constraint exceeded" in said
