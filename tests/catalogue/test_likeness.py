"""The guess about names that no catalogue knows: two signs, or one that means nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.catalogue.catalogue import looks_like_ai
from sekimori.catalogue.parents import SHARED_PARENTS


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        pytest.param("chatgpt.example.com", "service-name", id="vendor's word as a label"),
        pytest.param("free-chatgpt.example.com", "service-name", id="vendor's word in a label"),
        pytest.param("my-openai-proxy.example.net", "service-name", id="relay"),
        pytest.param("deepseek.example.cn", "service-name", id="DeepSeek elsewhere"),
        pytest.param("gpt4.example.com", "service-name", id="gpt and a number"),
        pytest.param("sitegpt.example", "service-name", id="ends with gpt"),
        pytest.param("claude-api.example.com", "ambiguous-name", id="a given name and api"),
        pytest.param("gemini-chat.example.com", "ambiguous-name", id="a constellation and chat"),
        pytest.param("ai-chat.example.com", "ai-word", id="ai and chat"),
        pytest.param("chat-ai.example.jp", "ai-word", id="chat and ai"),
        pytest.param("aiimagegenerator.example", "ai-word", id="run together in front"),
        pytest.param("bestphotoai.example", "ai-word", id="run together at the end"),
        pytest.param("llm-gateway.example.com", "ai-word", id="llm and gateway"),
        pytest.param("api.ai.example.com", "ai-label", id="api before ai"),
        pytest.param("ai.gateway.example.com", "ai-label", id="ai before gateway"),
        pytest.param("api.newcomer.ai", "ai-domain", id="api under .ai"),
        pytest.param("chat.newcomer.ai", "ai-domain", id="chat under .ai"),
        pytest.param("yeschat.ai", "ai-domain", id="registered label with chat"),
        pytest.param("inference.newcloud.example", "model-host", id="inference host"),
        pytest.param("api.inference.newcloud.example", "model-host", id="inference in the middle"),
        pytest.param("llm.example.com", "model-host", id="llm host"),
    ],
)
def test_a_name_that_looks_like_ai_says_by_which_rule(name, rule):
    assert looks_like_ai(name) == rule


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("www.newcomer.ai", id="the island alone"),
        pytest.param("newcomer.ai", id="the island's apex"),
        pytest.param("ai.example.co.jp", id="a department named ai"),
        pytest.param("www.aichi.jp", id="a prefecture"),
        pytest.param("www.philanthropic.org", id="anthropic within a word"),
        pytest.param("www.openair.com", id="openai within a word"),
        pytest.param("claude-monet.example", id="a painter"),
        pytest.param("gemini.example.com", id="a constellation alone"),
        pytest.param("copilot.example.aero", id="a pilot"),
        pytest.param("llm.law.example.edu", id="a law degree"),
        pytest.param("llm.law.example.ac.jp", id="a law degree in Japan"),
        pytest.param("llmobs-intake.example.com", id="telemetry about models"),
        pytest.param("inference.com", id="a word as the registered label"),
        pytest.param("chatbot.city.example.lg.jp", id="a city hall's chat window"),
        pytest.param("gen-qa-openai-fast-90c5d9e.svc.example.io", id="a resource someone named"),
        pytest.param("d3gpt9xk2l.cloudfront.net", id="a random label"),
        pytest.param("xn--gpt-abc.jp", id="an A-label is not read"),
        pytest.param("barcode.ai", id="bar codes"),
        pytest.param("localhost", id="one label"),
        pytest.param("", id="nothing"),
    ],
)
def test_an_ordinary_name_does_not(name):
    assert looks_like_ai(name) is None


@pytest.mark.parametrize("parent", sorted(SHARED_PARENTS))
def test_no_shared_parent_looks_like_ai(parent):
    assert looks_like_ai(f"www.{parent}") is None


@given(st.text("abcgpti-_.0", max_size=40))
def test_any_name_gets_an_answer(name):
    assert looks_like_ai(name) in {
        None,
        "service-name",
        "ambiguous-name",
        "ai-word",
        "ai-label",
        "ai-domain",
        "model-host",
    }
