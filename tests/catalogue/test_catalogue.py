"""The shipped catalogue: what must be decrypted, what must pass unread, and that the data is sound."""

import re
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from sekimori.catalogue.catalogue import Catalogue
from sekimori.catalogue.hosts import canonical_host
from sekimori.catalogue.parents import SHARED_PARENTS
from sekimori.catalogue.records import HostRecord, ServiceRecord, read_services, read_sites

HERE = Path(__file__).parent
CATALOGUE = Catalogue.load()

EVERYDAY = (HERE / "everyday_hosts.txt").read_text("ascii").split()
AI = (HERE / "ai_hosts.txt").read_text("ascii").split()


@pytest.mark.parametrize("name", EVERYDAY)
def test_an_everyday_host_tunnels(name):
    entry = CATALOGUE.lookup(name)
    if entry is None:
        assert CATALOGUE.looks_like_ai(name) is None
    else:
        assert entry.interception in {"mixed", "support"}


@pytest.mark.parametrize("name", AI)
def test_an_ai_host_is_decrypted(name):
    entry = CATALOGUE.lookup(name)
    assert entry is not None
    assert entry.interception == "ai"


def test_the_lists_above_are_long_enough_to_mean_something():
    assert len(set(EVERYDAY)) >= 60
    assert len(set(AI)) >= 60


@pytest.mark.parametrize("parent", sorted(SHARED_PARENTS))
def test_a_shared_parent_never_matches_as_a_suffix(parent):
    for name in (parent, f"sekimori-probe.{parent}", f"a.b.{parent}"):
        entry = CATALOGUE.lookup(name)
        assert entry is None or entry.match != "suffix" or len(entry.host) > len(parent)
        assert entry is None or entry.interception != "ai"


@pytest.mark.parametrize(
    ("host", "service"),
    [
        pytest.param("chatgpt.com", "chatgpt", id="ChatGPT"),
        pytest.param("api.openai.com", "openai-api", id="OpenAI API"),
        pytest.param("claude.ai", "claude-web", id="Claude"),
        pytest.param("api.anthropic.com", "anthropic-api", id="Anthropic API"),
        pytest.param("gemini.google.com", "gemini-web", id="Gemini"),
        pytest.param("generativelanguage.googleapis.com", "gemini-api", id="Gemini API"),
        pytest.param("chat.deepseek.com", "deepseek-web", id="DeepSeek"),
        pytest.param("api.deepseek.com", "deepseek-api", id="DeepSeek API"),
        pytest.param("contoso.openai.azure.com", "azure-openai", id="Azure OpenAI"),
        pytest.param("bedrock-runtime.eu-west-1.amazonaws.com", "aws-bedrock", id="Bedrock"),
        pytest.param("europe-west1-aiplatform.googleapis.com", "vertex-ai", id="Vertex AI"),
        pytest.param("api.enterprise.githubcopilot.com", "github-copilot", id="GitHub Copilot"),
    ],
)
def test_web_chat_and_api_of_one_vendor_are_services_of_their_own(host, service):
    entry = CATALOGUE.lookup(host)
    assert entry is not None
    assert entry.service == service


@pytest.mark.parametrize(
    ("service", "style"),
    [
        ("openai-api", "openai"),
        ("anthropic-api", "anthropic"),
        ("gemini-api", "gemini"),
        ("vertex-ai", "gemini"),
        ("aws-bedrock", "bedrock"),
        ("azure-openai", "openai"),
        ("chatgpt", ""),
    ],
)
def test_a_service_names_the_shape_of_its_errors(service, style):
    record = CATALOGUE.get(service)
    assert record is not None
    assert record.api_style == style


@pytest.mark.req("MOU-1-2")
def test_every_shipped_service_stands_on_terms_of_service_until_the_organisation_says_otherwise():
    assert {service.contract_type for service in CATALOGUE.services} == {"terms_of_service"}


@pytest.mark.req("DSN-0-1", "DSN-5-2")
def test_all_of_deepseeks_own_services_need_advice_and_no_others_do():
    flagged = {service.id for service in CATALOGUE.services if "advisory_required" in service.flags}
    assert flagged == {service.id for service in CATALOGUE.services if service.provider == "DeepSeek"}
    assert flagged == {"deepseek-web", "deepseek-api"}
    assert all("令和7年2月6日" in s.flag_source for s in CATALOGUE.services if s.flags)


@pytest.mark.req("DSN-1-2")
def test_the_catalogue_says_where_deepseek_stores_data():
    assert all(s.data_locations == ("CN",) for s in CATALOGUE.services if s.provider == "DeepSeek")


def test_a_flagged_model_is_named_wherever_it_is_served():
    assert CATALOGUE.flagged_models == ("*deepseek*",)


def test_every_service_is_well_formed():
    for service in CATALOGUE.services:
        codes = (*service.data_locations, service.operator_country or "XX")
        assert re.fullmatch(r"[a-z0-9]+(?:-+[a-z0-9]+)*", service.id), service.id
        assert service.name.strip() == service.name != "", service.id
        assert service.hosts, service.id
        assert service.sources, service.id
        assert all(re.fullmatch("[A-Z]{2}", code) for code in codes), service.id


def test_every_host_rule_is_well_formed():
    for entry in CATALOGUE.hosts():
        sample = entry.host.replace("*", "x")
        assert canonical_host(sample).name == sample, entry.host
        assert entry.host.count("*") == (entry.match == "pattern"), entry.host
        assert "." in entry.host, entry.host
        assert entry.match != "suffix" or entry.host not in SHARED_PARENTS, entry.host
        # A bare first star is a suffix in disguise: only what is never decrypted may have one.
        assert not entry.host.startswith("*.") or entry.interception == "mixed", entry.host


def test_ids_and_rules_are_unique():
    rules = [(entry.match, entry.host) for entry in CATALOGUE.hosts()]
    assert len(set(rules)) == len(rules)
    assert len({service.id for service in CATALOGUE.services}) == len(CATALOGUE.services)


def test_no_rule_of_the_catalogue_is_out_of_reach():
    for entry in CATALOGUE.hosts():
        found = CATALOGUE.lookup(entry.host.replace("*", "xx-sample-1"))
        assert found is not None
        assert (found.service, found.host) == (entry.service, entry.host)
        assert entry.covers(entry.host.replace("*", "xx-sample-1"))


def test_the_packaged_data_is_small():
    data = resources.files("sekimori.catalogue") / "data"
    assert sum(len(file.read_bytes()) for file in data.iterdir() if file.name.endswith(".json")) < 600_000


def test_a_service_is_found_by_its_id():
    service = CATALOGUE.get("chatgpt")
    assert service is not None
    assert service.name == "ChatGPT"
    assert CATALOGUE.get("no-such-service") is None


@pytest.mark.parametrize(
    ("text", "first"),
    [
        pytest.param("chatgpt", "chatgpt", id="id"),
        pytest.param("ＣｈａｔＧＰＴ", "chatgpt", id="full width"),
        pytest.param("さくら", "sakura-ai-engine", id="Japanese name"),
        pytest.param("bedrock-runtime", "aws-bedrock", id="host"),
        pytest.param("anthropic api", "anthropic-api", id="two words"),
        pytest.param("advisory_required api", "deepseek-api", id="flag and kind"),
    ],
)
def test_search_puts_the_service_of_that_name_first(text, first):
    assert CATALOGUE.search(text)[0].id == first


@pytest.mark.parametrize("text", ["", "   ", "no such service anywhere"])
def test_search_finds_nothing_for_nothing(text):
    assert CATALOGUE.search(text) == ()


def test_two_services_cannot_share_an_id():
    service = ServiceRecord(
        id="x",
        name="X",
        provider="X",
        kind="api",
        contract_type="terms_of_service",
        hosts=(HostRecord("x.example", "full", "ai"),),
    )
    with pytest.raises(ValueError, match="share one id"):
        Catalogue([service, service])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(b'{"flagged_models": [], "services": [{"id": "x"}]}', id="fields missing"),
        pytest.param(b'{"flagged_models": [], "services": [], "extra": 1}', id="an unknown field"),
        pytest.param(
            b'{"flagged_models":[],"services":[{"id":"x","name":"X","provider":"X","kind":"toaster",'
            b'"contract_type":"terms_of_service","hosts":[]}]}',
            id="a kind outside the closed set",
        ),
    ],
)
def test_data_outside_the_closed_sets_does_not_load(data):
    with pytest.raises(msgspec.ValidationError):
        read_services(data)


def test_a_site_of_the_long_tail_is_a_service_of_its_own():
    ai, full, mixed = read_sites(b'{"ai":["a.example"],"ai_full":["b.example"],"mixed":["c.example"]}')
    assert (ai.id, ai.kind, ai.contract_type) == ("a-example", "other", "terms_of_service")
    assert [s.hosts[0].match for s in (ai, full, mixed)] == ["suffix", "full", "suffix"]
    assert [s.hosts[0].interception for s in (ai, full, mixed)] == ["ai", "ai", "mixed"]
