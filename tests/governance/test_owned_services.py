"""Services of applied files in the register: shown, owned, and edited by nobody."""

import msgspec
import pytest

from sekimori.governance.owned import check_owned, own_services
from sekimori.governance.refusals import Forbidden
from sekimori.governance.registering import DescribeService, ResumeService, RetireService, SuspendService
from sekimori.governance.service import RegisteredService
from sekimori.governance.standing import standing_of
from sekimori.governance.use_rules import use_rules_for
from sekimori.policy.model import Service
from support.offices import FACTS, KEN, NOW, SAKI, Office

SERVICE = Service(
    id="llm", name="LLM", hosts=("api.llm.example",), contract="individual", contract_no="K-1", flags=("x",)
)


def own(office, **services):
    change = own_services(office.state, services, NOW, office.rules)
    office.state = change.state
    return [(event.kind, event.id) for event in change.events]


@pytest.mark.req("MOU-1-1")
def test_a_service_of_a_file_is_in_the_register_as_the_file_says_it():
    office = Office()
    assert own(office, llm=("a.yaml", SERVICE)) == [("service.own", "llm")]
    entry = office.get(RegisteredService, "llm")
    assert (entry.owner_file, entry.status, entry.facts.hosts) == ("a.yaml", "ACTIVE", SERVICE.hosts)
    assert entry.for_policy(active=True) == SERVICE
    assert own(office, llm=("a.yaml", SERVICE)) == []
    assert own(office, llm=("b.yaml", SERVICE)) == [("service.own", "llm")]


def test_nobody_edits_by_hand_what_a_file_owns():
    office = Office()
    own(office, llm=("a.yaml", SERVICE))
    assert office.refused(KEN, DescribeService("llm", FACTS)) == "owned-by-file"


def test_no_file_takes_over_what_is_kept_by_hand():
    office = Office().risks().scope().service()
    owned = {"chat": ("a.yaml", SERVICE)}
    for refused in (
        lambda: check_owned(office.state, owned),
        lambda: own_services(office.state, owned, NOW, office.rules),
    ):
        with pytest.raises(Forbidden) as caught:
            refused()
        assert caught.value.code == "kept-by-hand"


def test_a_service_that_its_file_no_longer_says_is_stopped_until_a_file_says_it_again():
    office = Office()
    rules = use_rules_for("gov", NOW)
    own(office, llm=("a.yaml", SERVICE))
    assert own(office) == [("service.disown", "llm")]
    assert standing_of(office.state, NOW, rules).suspended_services == {"llm"}
    assert own(office) == []
    assert own(office, llm=("a.yaml", SERVICE)) == [("service.own", "llm")]
    assert standing_of(office.state, NOW, rules).suspended_services == frozenset()


@pytest.mark.req("MOU-1-6")
def test_only_a_person_starts_again_what_a_person_stopped_and_no_file_does():
    office = Office()
    rules = use_rules_for("gov", NOW)
    own(office, llm=("a.yaml", SERVICE))
    office.do(SAKI, SuspendService("llm", "漏えいの疑い"))
    for say in ({"llm": ("a.yaml", SERVICE)}, {"llm": ("b.yaml", SERVICE)}, {}):
        own(office, **say)
        assert standing_of(office.state, NOW, rules).suspended_services == {"llm"}
    own(office, llm=("a.yaml", SERVICE))
    office.do(SAKI, ResumeService("llm", "疑いは晴れた"))
    assert standing_of(office.state, NOW, rules).suspended_services == frozenset()


@pytest.mark.parametrize(
    "say",
    [
        pytest.param({}, id="no longer said"),
        pytest.param(
            {"llm": ("a.yaml", msgspec.structs.replace(SERVICE, status="suspended"))},
            id="said to be suspended",
        ),
    ],
)
def test_what_its_file_stopped_nobody_starts_by_hand(say):
    office = Office()
    own(office, llm=("a.yaml", SERVICE))
    own(office, **say)
    assert office.refused(SAKI, ResumeService("llm", "再開")) == "owned-by-file"
    own(office, llm=("a.yaml", SERVICE))
    assert office.get(RegisteredService, "llm").status == "ACTIVE"


def test_a_retired_service_stays_retired_whatever_a_file_says():
    office = Office()
    own(office, llm=("a.yaml", SERVICE))
    office.do(SAKI, RetireService("llm", "終了"))
    assert own(office, llm=("a.yaml", SERVICE)) == []
    with pytest.raises(Forbidden) as caught:
        check_owned(office.state, {"llm": ("a.yaml", SERVICE)}, applied="a.yaml")
    assert caught.value.code == "retired"
