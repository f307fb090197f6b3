"""Outputs that are used again, the public in a trial, and the label of AI use."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance.actors import Actor
from sekimori.governance.label import label
from sekimori.governance.notices import Notice, NoticeText, WriteNotice
from sekimori.governance.secondary_use import (
    RecordSecondaryUse,
    ReviewSecondaryUse,
    SecondaryUse,
    WithdrawSecondaryUse,
    output_hash,
    uses_of,
)
from sekimori.governance.trial import (
    GiveTrialConsent,
    TrialConsent,
    WithdrawTrialConsent,
    consent_id,
    trial_findings,
)
from sekimori.policy.codes import Reason
from support.offices import HANAKO, MIKI, NOW, RIN, SAKI, SHA, facts, plan
from support.using_offices import BOT, UsingOffice

# --- secondary use -----------------------------------------------------------------------------------


def use(id_="u1", **fields):
    given_ = {
        "output_sha256": SHA,
        "exchange": "record-1",
        "grant": "g-a1",
        "intended_use": "広報資料",
        "audience": "INTERNAL",
    }
    return RecordSecondaryUse(id_, **(given_ | fields))


@pytest.fixture(scope="module")
def granted():
    return UsingOffice("enterprise").ready().granted()


@pytest.fixture
def office(granted):
    fresh = UsingOffice("enterprise")
    fresh.state = granted.state
    return fresh


@pytest.mark.req("MOU-2-4")
def test_an_output_leads_back_to_the_record_of_its_prompt(office):
    office.do(HANAKO, use(), use("u2", exchange="record-2", output_sha256="b" * 64))
    assert [(each.id, each.exchange) for each in uses_of(office.state, SHA.upper())] == [("u1", "record-1")]
    kept = office.get(SecondaryUse, "u1")
    assert (kept.status, kept.author, kept.responsible, kept.service) == (
        "RECORDED",
        "hanako",
        "kacho",
        "chat",
    )


@pytest.mark.req("MOU-2-4")
def test_what_goes_outside_is_verified_and_reviewed_by_somebody_else(office):
    outside = use(audience="EXTERNAL", human_verified=True)
    assert office.refused(HANAKO, use(audience="EXTERNAL")) == "not-verified"
    office.do(HANAKO, outside)
    assert office.get(SecondaryUse, "u1").status == "AWAITING_REVIEW"
    reviewer = msgspec.structs.replace(HANAKO, name="ＨＡＮＡＫＯ", roles=RIN.roles)
    assert office.refused(reviewer, ReviewSecondaryUse("u1", True, "可")) == "own-output"
    assert office.refused(MIKI, ReviewSecondaryUse("u1", True, "可")) == "role"
    assert office.refused(RIN, ReviewSecondaryUse("u1", True, " ")) == "reason-missing"
    office.do(RIN, ReviewSecondaryUse("u1", True, "事実を確認した"))
    assert office.get(SecondaryUse, "u1").status == "APPROVED"
    office.do(HANAKO, msgspec.structs.replace(outside, id="u2"))
    office.do(Actor("kacho"), ReviewSecondaryUse("u2", False, "誤り"))
    assert office.get(SecondaryUse, "u2").status == "REFUSED"


@pytest.mark.req("MOU-2-4")
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"output_sha256": "x"}, "incomplete", id="no hash"),
        pytest.param({"exchange": " "}, "incomplete", id="no record"),
        pytest.param({"intended_use": ""}, "incomplete", id="no use"),
        pytest.param({"grant": "g-x"}, "not-found", id="no grant"),
    ],
)
def test_a_use_that_nobody_could_trace_is_not_recorded(office, fields, code):
    assert office.refused(HANAKO, use(**fields)) == code


@pytest.mark.req("MOU-2-4")
def test_nothing_is_used_again_where_nobody_is_responsible(office):
    nobody = msgspec.structs.replace(
        next(iter(office.everything()["grant"].values())), secondary_use_owner=""
    )
    office.state = office.state.put(nobody)
    assert office.refused(HANAKO, use()) == "secondary-use-owner"


def test_a_use_is_withdrawn_by_its_author_or_whoever_is_responsible(office):
    office.do(HANAKO, use(), use("u2"))
    assert office.refused(MIKI, WithdrawSecondaryUse("u1", "不要")) == "not-yours"
    assert office.refused(HANAKO, WithdrawSecondaryUse("u1", "")) == "reason-missing"
    office.do(HANAKO, WithdrawSecondaryUse("u1", "不要"))
    office.do(Actor("kacho"), WithdrawSecondaryUse("u2", "不要"))
    assert office.refused(BOT, use("u3")) == "role"


@pytest.mark.req("MOU-2-4")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a\r\nb", "a\nb", id="line ends"),
        pytest.param("a  \nb\n\n", "a\nb", id="spaces at the ends"),
        pytest.param("が", "が", id="composed and decomposed"),
    ],
)
def test_copying_an_output_does_not_change_its_hash(one, other):
    assert output_hash(one) == output_hash(other)
    assert output_hash("a b") != output_hash("ab")


@given(st.text(alphabet=st.characters(), max_size=50))
def test_every_text_has_a_hash_and_hashing_what_was_copied_gives_it_again(text):
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert output_hash(text) == output_hash(lines.replace("\n", "\r\n") + "\n")


# --- the trial ---------------------------------------------------------------------------------------

SOMEBODY = Actor("citizen-7")
TEXT = "検証段階のサービスです。"


@pytest.fixture
def public():
    office = UsingOffice().risks().scope()
    return office.service(facts(audience="PUBLIC", phase="PILOT")).notice(
        "trial", service="chat", ja=TEXT, audience="TRIAL"
    )


def agree(office, who=SOMEBODY):
    notice = office.get(Notice, "trial")
    return GiveTrialConsent("trial", notice.number, notice.current.sha256)


def out(office, who="citizen-7"):
    return [each.code for each in trial_findings(office.state, who, "chat")]


@pytest.mark.req("MOU-2-9")
def test_nobody_of_the_public_uses_a_trial_without_consent_to_the_text_in_force(public):
    assert out(public) == [Reason.CONSENT_MISSING]
    public.do(SOMEBODY, agree(public))
    assert out(public) == []
    assert out(public, "citizen-8") == [Reason.CONSENT_MISSING]
    kept = public.get(TrialConsent, consent_id("trial", "citizen-7"))
    assert (kept.number, kept.given_us, kept.sha256) == (1, NOW, public.get(Notice, "trial").current.sha256)


@pytest.mark.req("MOU-2-9")
def test_another_version_asks_again_and_who_withdraws_is_out_at_once(public):
    public.do(SOMEBODY, agree(public))
    old = agree(public)
    public.notice("trial", service="chat", ja=TEXT + "第2版", audience="TRIAL")
    assert out(public) == [Reason.CONSENT_MISSING]
    assert public.refused(SOMEBODY, old) == "notice-differs"
    public.do(SOMEBODY, agree(public))
    assert out(public) == []
    public.do(SOMEBODY, WithdrawTrialConsent("trial"))
    assert out(public) == [Reason.CONSENT_MISSING]
    public.do(SOMEBODY, agree(public))
    assert out(public) == []


@pytest.mark.req("MOU-2-9")
def test_a_trial_says_that_it_is_one():
    office = UsingOffice().risks().scope().service(facts(audience="PUBLIC"))
    silent = WriteNotice("trial", "chat", NoticeText("表題", "ご利用ください"), "TRIAL")
    assert office.refused(SAKI, silent) == "notice-verbatim"
    everywhere = WriteNotice("trial", "*", NoticeText("表題", TEXT), "TRIAL")
    assert office.refused(SAKI, everywhere) == "incomplete"
    assert out(office) == [Reason.CONSENT_MISSING]  # no text: nobody can have agreed


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"audience": "STAFF"}, id="staff"),
        pytest.param({"audience": "PUBLIC", "phase": "GENERAL"}, id="general operation"),
    ],
)
def test_no_consent_is_asked_where_there_is_no_trial_of_the_public(fields):
    office = UsingOffice().risks().scope().service(facts(**fields))
    office.notice("trial", service="chat", ja=TEXT, audience="TRIAL").notice("plain", service="chat")
    assert out(office) == []
    assert office.refused(SOMEBODY, agree(office)) == "not-trial"


def test_a_plain_notice_is_nothing_to_consent_to(public):
    public.notice("plain", service="chat")
    sha256 = public.get(Notice, "plain").current.sha256
    assert public.refused(SOMEBODY, GiveTrialConsent("plain", 1, sha256)) == "not-trial"


# --- the label ---------------------------------------------------------------------------------------


@pytest.mark.req("MOU-2-3")
@pytest.mark.parametrize(
    ("service", "model", "value"),
    [
        pytest.param("chat", "gpt-4o", "true; model=gpt-4o; service=chat", id="plain"),
        pytest.param("chat", None, "true; service=chat", id="no model"),
        pytest.param("", "", "true", id="nothing known"),
        pytest.param("chat", 'a "b"; x', 'true; model="a \\"b\\"; x"; service=chat', id="to be quoted"),
        pytest.param("chat", "org/m", 'true; model="org/m"; service=chat', id="a slash"),
        pytest.param("窓口", None, "true; service*=UTF-8''%E7%AA%93%E5%8F%A3", id="not ASCII"),
        pytest.param(
            "chat", "a\r\nX: y", "true; model*=UTF-8''a%0D%0AX%3A%20y; service=chat", id="a line break"
        ),
    ],
)
def test_an_answer_is_labelled_as_generated(service, model, value):
    assert label(service, model) == value


@pytest.mark.req("MOU-2-3")
@given(st.text(alphabet=st.characters(), max_size=300), st.text(alphabet=st.characters(), max_size=300))
def test_no_name_can_end_the_label_or_make_it_endless(service, model):
    value = label(service, model)
    assert value.isascii()
    assert value.isprintable() or "\t" in value
    assert not set(value) & set("\r\n\0")
    assert len(value) < 4000
    assert value.startswith("true")


def test_the_register_of_a_grant_names_who_is_responsible():
    assert plan().secondary_use_owner == "kacho"
