"""The compiled policy: hash, round trip, what is refused, and its lookups."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.build import DIGITAL, EVIDENCE, NISC, NOON_US, changed, facts, grant, service, snapshot
from sekimori.errors import ConfigError, PolicyFileError, PolicyUnavailableError
from sekimori.policy.applied import Document
from sekimori.policy.decide import decide
from sekimori.policy.model import Grant, Group, Profile, Service
from sekimori.policy.snapshot import (
    HostRule,
    Snapshot,
    compile_snapshot,
    decrypts,
    dump,
    interception_of,
    load,
)


def document(
    services: list[Service] | None, grants: list[Grant] | None, groups: list[Group] | None
) -> Document:
    return Document(
        services={one.id: one for one in services or [service()]},
        groups={one.name: one for one in groups or []},
        grants={one.id: one for one in grants or [grant()]},
        file="apply.yaml",
    )


def no_flags(_host: str) -> tuple[str, ...]:
    return ()


def compiled(
    services: list[Service] | None = None,
    grants: list[Grant] | None = None,
    groups: list[Group] | None = None,
    *,
    profile: Profile = "enterprise",
    flags: Callable[[str], tuple[str, ...]] = no_flags,
    advice_required: bool = True,
    consent_required: bool = True,
) -> Snapshot:
    return compile_snapshot(
        document(services, grants, groups),
        profile=profile,
        catalogue_flags=flags,
        now_us=NOON_US,
        advice_required=advice_required,
        consent_required=consent_required,
    )


def test_a_snapshot_survives_its_file_unchanged():
    policy = compiled(groups=[Group(name="youyaku", members=("sato",), class_floor=2)])
    data = dump(policy)
    again = load(data, policy.hash)

    assert hashlib.sha256(data).hexdigest() == policy.hash == again.hash
    assert dump(again) == data
    assert (again.profile, again.compiled_us, again.unsigned) == ("enterprise", NOON_US, True)
    assert decide(facts(), again) == decide(facts(), policy)


def test_the_same_policy_has_the_same_hash_whatever_its_order():
    one, two = grant(id="a"), grant(id="b")

    assert compiled(None, [one, two]).hash == compiled(None, [two, one]).hash
    assert compiled(None, [one]).hash != compiled(None, [one, two]).hash


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_single_wrong_byte_is_noticed(at, flip):
    policy = compiled()
    data = bytearray(dump(policy))
    data[at % len(data)] ^= flip

    with pytest.raises(PolicyUnavailableError):
        load(bytes(data), policy.hash)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_snapshot_are_unavailable_even_with_the_right_hash(data):
    with pytest.raises(PolicyUnavailableError):
        load(data, hashlib.sha256(data).hexdigest())


FORBIDDEN = [
    pytest.param(
        service(contract="terms_of_service"), grant(max_class=2, **EVIDENCE), id="約款型 and class 2"
    ),
    pytest.param(service(), grant(max_class=3, **EVIDENCE), id="class 3"),
    pytest.param(service(), grant(max_class=2), id="class 2 without evidence"),
    pytest.param(service(flags=("advisory_required",)), grant(), id="flagged without advice"),
    pytest.param(service(), grant(service="other"), id="unknown service"),
    pytest.param(service(), grant(users=()), id="nobody"),
    pytest.param(service(class_floor=0), grant(), id="a floor below the scale"),
    pytest.param(service(), grant(users=("sasaki",)), id="four eyes"),
]


@pytest.mark.req("MOU-1-2", "MOU-1-5", "MOU-2-11", "DSN-5-2")
@pytest.mark.parametrize(("entry", "given_grant"), FORBIDDEN)
def test_what_the_rules_forbid_is_neither_compiled_nor_loaded(entry, given_grant):
    wrong = snapshot([entry], [given_grant])

    with pytest.raises(PolicyUnavailableError, match="says what it may not"):
        load(dump(wrong), wrong.hash)
    with pytest.raises(PolicyFileError) as caught:
        compiled([entry], [given_grant])
    assert caught.value.faults[0].file == "apply.yaml"


@pytest.mark.parametrize("entries", ["services", "groups", "grants"])
def test_a_snapshot_that_names_anything_twice_is_unavailable(entries):
    content = msgspec.json.decode(dump(compiled(groups=[Group(name="youyaku")])))
    content[entries] *= 2
    data = msgspec.json.encode(content)

    with pytest.raises(PolicyUnavailableError, match="twice"):
        load(data, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"format": 2}, "format 2", id="another format"),
        pytest.param({"surprise": 1}, "cannot be read", id="a field of a later version"),
    ],
)
def test_a_snapshot_of_another_version_is_unavailable(change, message):
    data = msgspec.json.encode(msgspec.json.decode(dump(compiled())) | change)

    with pytest.raises(PolicyUnavailableError, match=message):
        load(data, hashlib.sha256(data).hexdigest())


def test_government_cannot_do_without_advice_or_consent():
    with pytest.raises(ConfigError):
        compiled(profile="gov", advice_required=False)
    with pytest.raises(ConfigError):
        compiled(profile="gov", consent_required=False)
    assert not compiled(profile="local_gov", advice_required=False).rules.advice_required


@pytest.mark.req("DSN-5-2")
@pytest.mark.parametrize("profile", ["gov", "local_gov", "enterprise"])
def test_the_flag_of_the_catalogue_is_in_force_in_every_profile(profile):
    def flags(host: str) -> tuple[str, ...]:
        return ("advisory_required",) if host == "api.llm.example" else ()

    with pytest.raises(PolicyFileError, match="advice of two"):
        compiled(profile=profile, flags=flags)
    policy = compiled(None, [grant(advice=(NISC, DIGITAL))], profile=profile, flags=flags)
    assert policy.services["llm"].flagged


def test_a_host_is_found_by_its_own_name_then_by_the_nearest_above():
    policy = snapshot(
        [
            service(id="own", hosts=("a.b.example",)),
            service(id="near", hosts=("*.b.example",)),
            service(id="far", hosts=("*.example",)),
        ],
        [],
    )

    found = {
        host: [one.id for one in policy.services_at(host)]
        for host in ("a.b.example", "x.b.example", "b.example", "example", "xb.example", "x.y.b.example")
    }
    assert found == {
        "a.b.example": ["own", "near", "far"],
        "x.b.example": ["near", "far"],
        "b.example": ["far"],
        "example": [],
        "xb.example": ["far"],
        "x.y.b.example": ["near", "far"],
    }


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(None, "general", id="no model yet"),
        pytest.param("gpt-4o", "general", id="a plain model"),
        pytest.param("ft-1", "tuned", id="an entry that names it"),
        pytest.param("deepseek-r1", None, id="flagged, and no entry names it"),
    ],
)
def test_a_model_may_be_a_service_of_its_own(model, expected):
    entries = [service(id="general"), service(id="tuned", models=("ft-*",))]
    policy = snapshot(entries, [], flagged_models=("*deepseek*",))

    found = policy.service_of("api.llm.example", model)
    assert (found.id if found else None) == expected


def test_a_flagged_provider_serves_its_own_models():
    policy = snapshot([service(flags=("advisory_required",))], [], flagged_models=("*deepseek*",))

    found = policy.service_of("api.llm.example", "deepseek-r1")
    assert found is not None
    assert found.id == "llm"


@pytest.mark.parametrize(
    ("entry", "flags", "expected"),
    [
        pytest.param({}, (), True, id="AI"),
        pytest.param({}, ("mixed",), False, id="mixed in the catalogue"),
        pytest.param({"decrypt_mixed": True}, ("mixed",), True, id="mixed, enabled by a person"),
        pytest.param({"interception": "mixed"}, (), False, id="mixed by its own entry"),
        pytest.param(
            {"interception": "mixed", "decrypt_mixed": True}, (), True, id="enabled by its own entry"
        ),
        pytest.param({"decrypt_mixed": True}, ("support",), False, id="support in the catalogue"),
        pytest.param({"interception": "support"}, (), False, id="support by its own entry"),
    ],
)
def test_a_mixed_host_is_decrypted_only_where_a_person_enabled_it(entry, flags, expected):
    policy = compiled([service(hosts=("*.llm.example",), **entry)], flags=lambda host: flags)

    assert policy.hosts() == (HostRule("llm.example", suffix=True, service="llm", decrypt=expected),)
    assert decrypts(policy.services["llm"], "eu.api.llm.example") is expected


def test_the_hosts_of_one_service_may_be_treated_differently():
    kinds = {"files.llm.example": ("mixed",), "auth.llm.example": ("support",)}
    hosts = ("api.llm.example", *kinds, "*.cdn.llm.example")
    policy = compiled([service(hosts=hosts)], flags=lambda host: kinds.get(host, ()))

    found = [interception_of(policy.services["llm"], host) for host in (*hosts[:3], "x.cdn.llm.example")]
    assert found == ["ai", "mixed", "support", "ai"]


@pytest.mark.req("DSN-5-2")
def test_nobody_may_use_a_flagged_service_without_advice():
    entry = service(flags=("advisory_required",))

    assert not snapshot([entry]).may_use("llm", "yamada", (), NOON_US)
    assert snapshot([entry], [grant(advice=(NISC, DIGITAL))]).may_use("llm", "yamada", (), NOON_US)
    assert not snapshot([entry]).may_use("other", "yamada", (), NOON_US)


def test_any_service_at_a_host_makes_it_worth_reaching():
    entries = [service(id="general"), service(id="tuned", models=("ft-*",))]
    policy = snapshot(entries, [grant(service="tuned")])

    assert policy.may_reach("api.llm.example", "Yamada", (), NOON_US)
    assert not policy.may_reach("api.llm.example", "sato", (), NOON_US)
    assert not policy.may_reach("other.example", "yamada", (), NOON_US)


def test_a_person_sees_only_their_own_among_many_grants():
    grants = [grant(id=f"g-{number}", users=(f"u{number}",)) for number in range(2_000)]
    policy = snapshot(grants=grants)

    assert policy.grants_for("llm", "u7", ()) == (changed(grant(), id="g-7", users=("u7",)),)
