"""Signed apply files: who may sign, how often each counts, and what each profile asks for."""

from datetime import date

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sekimori.governance.authority import ApprovalAuthority
from sekimori.governance.refusals import Forbidden
from sekimori.governance.rules import rules_for
from sekimori.governance.signatures import Signature, signatures, signed_bytes, vouched
from sekimori.policy.document import read_document
from support.offices import NOW, TODAY

TEXT = """
services:
  - {id: chat, hosts: [chat.example.com]}
groups:
  soumu: [hanako]
grants:
  - id: g1
    service: chat
    groups: [soumu]
    users: [miki]
    purpose: summary
    period: {start: 2026-06-01, end: 2027-03-31}
    administrator: jiro
    decided_by: taro
    decided_on: 2026-06-01
"""
BYTES = TEXT.encode()
KEYS = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
    for n, name in enumerate(("taro", "yuki", "x"), 1)
}


def authority(name, **fields):
    key = KEYS.get(name, KEYS["x"]).public_key().public_bytes_raw().hex()
    made = ApprovalAuthority(
        id=f"auth-{name}", status="ACTIVE", holder=name, start=date(2026, 1, 1), public_key=key
    )
    return msgspec.structs.replace(made, **fields)


def signed(name, *, by=None, text=BYTES):
    return Signature(f"auth-{name}", KEYS[by or name].sign(signed_bytes(text)).hex())


def apply(given, authorities, profile="gov", text=BYTES):
    document = read_document(TEXT, file="a.yaml", today=TODAY)
    return signatures(document, text, given, authorities, rules_for(profile, NOW), NOW)


BOTH = (authority("taro"), authority("yuki"))


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize("profile", ["gov", "local_gov", "enterprise"])
def test_two_different_authorities_sign_a_file(profile):
    assert apply([signed("taro"), signed("yuki")], BOTH, profile).unsigned is False


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize("profile", ["gov", "local_gov"])
@pytest.mark.parametrize(
    ("given", "authorities"),
    [
        pytest.param([], BOTH, id="nobody"),
        pytest.param([signed("taro")], BOTH, id="one"),
        pytest.param([signed("taro"), signed("taro")], BOTH, id="one twice"),
        pytest.param([signed("taro"), signed("yuki", by="x")], BOTH, id="a foreign key"),
        pytest.param([signed("taro"), signed("yuki", text=b"other")], BOTH, id="of another file"),
        pytest.param([signed("taro"), Signature("auth-yuki", "zz")], BOTH, id="no hex"),
        pytest.param([signed("taro"), Signature("auth-yuki", "00")], BOTH, id="too short"),
        pytest.param([signed("taro"), Signature("auth-none", "00" * 64)], BOTH, id="not registered"),
        pytest.param(
            [signed("taro"), signed("yuki")],
            (authority("taro"), authority("yuki", status="PROPOSED")),
            id="only proposed",
        ),
        pytest.param(
            [signed("taro"), signed("yuki")],
            (authority("taro"), authority("yuki", end=date(2026, 5, 31))),
            id="over",
        ),
        pytest.param(
            [signed("taro"), signed("yuki")],
            (authority("taro"), authority("yuki", holder="ＴＡＲＯ")),
            id="one person with two keys",
        ),
        pytest.param(
            [signed("taro"), signed("yuki", by="taro")],
            (authority("taro"), authority("yuki", public_key=authority("taro").public_key.upper())),
            id="two people with one key",
        ),
        pytest.param(
            [signed("taro"), signed("yuki")],
            (authority("taro"), authority("yuki", service="other")),
            id="other service",
        ),
        pytest.param(
            [signed("taro"), signed("yuki")],
            (authority("taro"), authority("yuki", holder="Miki")),
            id="a user",
        ),
        pytest.param(
            [signed("taro"), signed("yuki")],
            (authority("taro"), authority("yuki", holder="hanako")),
            id="a member",
        ),
        pytest.param(
            [signed("taro"), signed("yuki")],
            (authority("taro"), authority("yuki", public_key="")),
            id="no key",
        ),
    ],
)
def test_less_than_two_is_refused_in_government(given, authorities, profile):
    with pytest.raises(Forbidden, match="unsigned"):
        apply(given, authorities, profile)


def test_an_unsigned_file_is_accepted_and_marked_in_an_enterprise():
    assert apply([], BOTH, "enterprise").unsigned is True
    assert apply([signed("taro")], BOTH, "enterprise").unsigned is False


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize(
    ("reached", "enough"),
    [
        pytest.param((), True, id="nobody else uses its groups"),
        pytest.param(("chat",), True, id="grants of the same service do"),
        pytest.param(("chat", "other"), False, id="grants of another service do"),
    ],
)
def test_an_authority_for_one_service_lets_nobody_into_a_group_of_another(reached, enough):
    document = read_document(TEXT, file="a.yaml", today=TODAY)
    both = (authority("taro"), authority("yuki", service="chat"))
    given, rules = [signed("taro"), signed("yuki")], rules_for("gov", NOW)
    if enough:
        assert len(vouched(document, BYTES, given, both, rules, NOW, reached=reached)) == 2
    else:
        with pytest.raises(Forbidden, match="unsigned"):
            vouched(document, BYTES, given, both, rules, NOW, reached=reached)


@pytest.mark.req("MOU-1-5")
def test_a_member_of_a_group_that_no_grant_of_the_file_uses_does_not_sign_for_it_either():
    text = TEXT.replace("    groups: [soumu]\n", "")
    document = read_document(text, file="a.yaml", today=TODAY)
    both = (authority("taro"), authority("yuki", holder="Ｈanako"))
    given = [signed(name, text=text.encode()) for name in ("taro", "yuki")]
    with pytest.raises(Forbidden, match="unsigned"):
        vouched(document, text.encode(), given, both, rules_for("gov", NOW), NOW)
