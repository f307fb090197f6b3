"""`sekimori policy`, and applying what two authorities signed."""

import shutil
import subprocess
from datetime import date

import pytest

from sekimori.cli.opened import new_id, now_us, store, store_keys
from sekimori.governance.actors import clock
from sekimori.governance.authority import ApprovalAuthority
from sekimori.governance.change import Changing
from sekimori.governance.service import RegisteredService
from sekimori.store.governing import Governing

POLICY = """services:
  - {id: openai-api, name: OpenAI API, hosts: [api.openai.com], contract: individual, contract_no: K-1}
grants:
  - id: g-1
    service: openai-api
    users: [admin]
    purpose: 要約
    period: {start: 2026-04-01, end: 2099-03-31}
    max_class: 1
    administrator: tanaka
    decided_by: sasaki
    decided_on: 2026-03-20
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "openai.yaml"
    path.write_text(POLICY)
    return path


def governing(places, engine, profile="enterprise"):
    return Governing(engine, store_keys(places), clock=now_us, new_id=new_id, profile=profile)


def test_what_is_decided_now_is_shown_with_who_signed_it(run, file):
    run("apply", file)
    (shown,) = run("policy", "show", "--json").lines
    assert (shown["services"], shown["grants"], shown["unsigned"]) == (1, 1, True)
    assert shown["files"] == [{"file": "openai.yaml", "version": 1, "signed_by": []}]
    assert (shown["withheld"], shown["in_force"]) == ([], False)
    assert "signed by nobody" in run("policy", "show").out


def test_a_difference_between_what_is_and_a_file_is_told_and_exits_1(run, file, tmp_path):
    run("apply", file)
    changed = tmp_path / "new" / "openai.yaml"
    changed.parent.mkdir()
    changed.write_text(POLICY.replace("[admin]", "[sato]"))
    found = run("policy", "diff", "current", changed, "--json")
    assert found.code == 1
    assert found.lines == [
        {"kind": "grant", "id": "g-1", "what": "changed", "fields": {"users": [["admin"], ["sato"]]}}
    ]
    assert run("policy", "diff", "current", file).code == 0
    assert run("policy", "replay", "--with", changed, "--json").lines[0]["requests"] == 0


@pytest.mark.parametrize("name", ["nothing", "00", "ffffffff"])
def test_a_policy_that_is_none_is_named(run, name):
    result = run("policy", "diff", "current", name)
    assert (result.code, name in result.err) == (2, True)


def test_a_file_with_a_fault_is_told_by_its_place(run, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("services: 7\n")
    result = run("policy", "diff", "current", path)
    assert (result.code, "bad.yaml:1" in result.err) == (2, True)


def test_the_register_sees_the_services_of_a_file(run, file, places):
    run("apply", file)
    with store(places) as engine, governing(places, engine).state() as state:
        entry = state.get(RegisteredService, "openai-api")
    assert (entry.owner_file, entry.status) == ("openai.yaml", "ACTIVE")


@pytest.fixture
def signers(tmp_path, places):
    """Two authorities of a ministry, registered, and their keys."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    with store(places) as engine:
        for name in ("taro", "yuki"):
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
            subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
            authority = ApprovalAuthority(
                id=f"auth-{name}",
                status="ACTIVE",
                holder=name,
                start=date(2026, 1, 1),
                public_key=(tmp_path / f"{name}.pub").read_text(),
            )
            governing(places, engine, "gov").carry_out(
                lambda state, at, _, one=authority: _kept(state, at, one)
            )
    return tmp_path


def _kept(state, at_us, authority):
    changing = Changing(state, clock(), at_us)
    changing.new("propose", authority)
    return changing.done()


def sign(folder, name, file):
    signature = folder / f"{name}.sig"
    asked = ["ssh-keygen", "-q", "-Y", "sign", "-n", "sekimori-apply", "-f", str(folder / name)]
    with file.open("rb") as text, signature.open("wb") as made:
        subprocess.run(asked, check=True, stdin=text, stdout=made, stderr=subprocess.DEVNULL)
    return signature


@pytest.mark.req("MOU-1-5")
def test_in_government_a_file_takes_the_signatures_of_two_authorities(run, file, signers, tmp_path):
    config = tmp_path / "gov.toml"
    config.write_text('profile = "gov"\n')
    one, two = (sign(signers, name, file) for name in ("taro", "yuki"))
    for given in ((), ("--signature", one), ("--signature", one, "--signature", one)):
        refused = run("apply", file, *given, "--config", config)
        assert (refused.code, "unsigned" in refused.err) == (2, True)
    applied = run("apply", file, "--signature", one, "--signature", two, "--json", "--config", config)
    assert (applied.code, applied.lines[0]["signed_by"]) == (0, ["auth-taro", "auth-yuki"])
    (shown,) = run("policy", "show", "--json", "--config", config).lines
    assert (shown["unsigned"], shown["profile"]) == (False, "gov")
    file.write_text(POLICY.replace("admin", "sato"))
    assert run("apply", file, "--signature", one, "--signature", two, "--config", config).code == 2


def test_a_file_that_is_no_signature_is_refused(run, file, tmp_path):
    wrong = tmp_path / "wrong.sig"
    wrong.write_bytes(b"no")
    assert "signature cannot be read" in run("apply", file, "--signature", wrong).err
    assert "cannot be read" in run("apply", file, "--signature", tmp_path / "none").err
    wrong.write_bytes(bytes(20_000))
    assert "too long" in run("apply", file, "--signature", wrong).err


@pytest.fixture
def signed(run, file, signers, tmp_path):
    """Apply ``file`` as it is now, signed by both."""
    config = tmp_path / "gov.toml"
    config.write_text('profile = "gov"\n')

    def applied(path=file):
        both = (sign(signers, name, path) for name in ("taro", "yuki"))
        given = [part for one in both for part in ("--signature", one)]
        return run("apply", path, *given, "--json", "--config", config)

    return applied


@pytest.mark.req("MOU-1-5")
def test_what_was_signed_once_does_not_come_back_after_it_was_replaced(file, signed, run):
    assert signed().code == 0
    assert signed().code == 0  # the same again changes nothing
    file.write_text(POLICY.replace("[admin]", "[sato]"))
    assert signed().code == 0
    file.write_text(POLICY)
    replayed = signed()
    assert (replayed.code, "replayed" in replayed.err) == (2, True)
    (shown,) = run("policy", "show", "--json").lines
    assert shown["files"][0]["version"] == 2
    file.write_text(f"# 2026-11-21 decided again\n{POLICY}")
    assert signed().code == 0


@pytest.mark.req("MOU-1-5")
def test_what_was_signed_is_not_applied_under_a_second_name_to_outlive_the_first(file, signed, tmp_path):
    assert signed().code == 0
    copy = tmp_path / "copy.yaml"
    copy.write_text(POLICY)
    assert "replayed" in signed(copy).err


GROUPS = """groups:
  soumu: [{member}]
"""
ELSEWHERE = """services:
  - {id: other, name: Other, hosts: [api.other.example], contract: individual, contract_no: K-2}
grants:
  - id: g-2
    service: other
    groups: [soumu]
    purpose: 要約
    period: {start: 2026-04-01, end: 2099-03-31}
    max_class: 1
    administrator: tanaka
    decided_by: sasaki
    decided_on: 2026-03-20
"""


@pytest.fixture
def limited(places, signers):
    """Make the second authority one for a single service."""

    def to(service):
        def narrowed(state, at_us, _rules):
            changing = Changing(state, clock(), at_us)
            changing.edit("delegate", state.get(ApprovalAuthority, "auth-yuki"), service=service)
            return changing.done()

        with store(places) as engine:
            governing(places, engine, "gov").carry_out(narrowed)

    return to


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(POLICY.replace("openai-api", "third"), id="another service and its grant"),
        pytest.param(POLICY[: POLICY.index("grants:")], id="another service without a grant"),
        pytest.param(GROUPS.format(member="ito"), id="a group that another service's grant uses"),
    ],
)
def test_an_authority_for_one_service_signs_for_no_other(file, signed, limited, tmp_path, text):
    first = tmp_path / "first.yaml"
    first.write_text(ELSEWHERE + GROUPS.format(member="kato"))
    assert signed(first).code == 0
    limited("mine")
    file.write_text(text)
    refused = signed()
    assert (refused.code, "unsigned" in refused.err) == (2, True)


@pytest.mark.req("MOU-1-5")
def test_nobody_signs_themself_into_a_group(file, signed, tmp_path):
    first = tmp_path / "first.yaml"
    first.write_text(ELSEWHERE + GROUPS.format(member="kato"))
    assert signed(first).code == 0
    file.write_text(GROUPS.format(member="Ｙuki"))
    assert "unsigned" in signed().err


def test_a_file_that_says_a_retired_service_leaves_no_trace(run, file, places):
    run("apply", file)
    retire(places, "RETIRED")
    file.write_text(POLICY.replace("要約", "翻訳"))
    refused = run("apply", file)
    assert (refused.code, "retired" in refused.err) == (2, True)
    (shown,) = run("policy", "show", "--json").lines
    assert shown["files"][0]["version"] == 1
    other = file.with_name("other.yaml")
    other.write_text(ELSEWHERE + GROUPS.format(member="kato"))
    assert run("apply", other).code == 0


def retire(places, status, why="漏えいの疑い"):
    def stopped(state, at_us, _rules):
        changing = Changing(state, clock(), at_us)
        entry = state.get(RegisteredService, "openai-api")
        changing.edit("suspend", entry, status=status, suspended_for=why)
        return changing.done()

    with store(places) as engine:
        governing(places, engine).carry_out(stopped)


@pytest.mark.req("MOU-1-6")
def test_applying_a_file_again_starts_nothing_that_a_person_stopped(run, file, places):
    run("apply", file)
    retire(places, "SUSPENDED")
    assert run("apply", file).code == 0
    file.write_text(POLICY.replace("要約", "翻訳"))
    assert run("apply", file).code == 0
    with store(places) as engine, governing(places, engine).state() as state:
        entry = state.get(RegisteredService, "openai-api")
    assert (entry.status, entry.suspended_for) == ("SUSPENDED", "漏えいの疑い")
