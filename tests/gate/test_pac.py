"""The proxy auto-configuration file, run by a real JavaScript engine where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from sekimori.errors import ConfigError
from sekimori.gate.pac import pac_file

RULES = [
    ("claude.ai", False),
    ("openai.com", True),
    ("bedrock-runtime.*.amazonaws.com", False),
    ("*-aiplatform.googleapis.com", False),
]
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node to run JavaScript with")


def route(pac: str, *hosts: str) -> list[str]:
    """Ask FindProxyForURL for each host."""
    asked = f"{pac}\nconsole.log(JSON.stringify({json.dumps(hosts)}.map(h => FindProxyForURL('https://' + h + '/', h))));"
    assert NODE is not None
    done = subprocess.run([NODE, "-e", asked], capture_output=True, text=True, check=True)
    answers: list[str] = json.loads(done.stdout)
    return answers


@needs_node
@pytest.mark.parametrize(
    ("host", "listed"),
    [
        pytest.param("claude.ai", True, id="a full name"),
        pytest.param("www.claude.ai", False, id="under a full name"),
        pytest.param("openai.com", True, id="a suffix"),
        pytest.param("chat.api.openai.com", True, id="under a suffix"),
        pytest.param("notopenai.com", False, id="ends like a suffix"),
        pytest.param("openai.com.evil.example", False, id="begins like a suffix"),
        pytest.param("CLAUDE.AI", True, id="upper case"),
        pytest.param("claude.ai.", True, id="a dot at the end"),
        pytest.param("bedrock-runtime.us-east-1.amazonaws.com", True, id="a wildcard label"),
        pytest.param("bedrock-runtime.a.b.amazonaws.com", False, id="a wildcard is one label"),
        pytest.param("bedrock-runtime..amazonaws.com", False, id="a wildcard is not nothing"),
        pytest.param("us-central1-aiplatform.googleapis.com", True, id="a wildcard in a label"),
        pytest.param("claude-ai", False, id="a dot is a dot"),
        pytest.param("constructor", False, id="a name that every object has"),
        pytest.param("__proto__", False, id="another"),
        pytest.param("", False, id="no host"),
    ],
)
def test_ai_hosts_go_to_the_proxy_with_no_way_around_and_others_go_directly(host, listed):
    pac = pac_file("gate.example:8080", RULES, everything=False)
    assert route(pac, host) == ["PROXY gate.example:8080" if listed else "DIRECT"]


@needs_node
def test_everything_means_everything_but_what_is_local():
    pac = pac_file("gate.example:8080", RULES, everything=True, scheme="HTTPS")
    far = [
        "claude.ai",
        "www.example.com",
        "8.8.8.8",
        "172.32.0.1",
        "2606:4700::1111",
        "127.0.0.1.example.com",
    ]
    near = ["intranet", "localhost", "app.localhost", "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1"]
    near += ["::1", "[::1]", "fe80::1", "fd00::1", "169.254.169.254"]
    assert set(route(pac, *far)) == {"HTTPS gate.example:8080"}
    assert set(route(pac, *near)) == {"DIRECT"}


@needs_node
def test_a_plain_local_name_goes_to_the_proxy_only_if_it_is_listed():
    assert route(pac_file("gate:8080", [("llm", False)], everything=True), "llm", "wiki") == [
        "PROXY gate:8080",
        "DIRECT",
    ]


@needs_node
def test_a_hostile_rule_stays_a_string():
    rules = [
        ('"};throw 1;//', False),
        ("</script><script>alert(1)</script>", True),
        ("a*(b|c)$", False),
        ("\u2028", True),
    ]
    pac = pac_file("gate:8080", rules, everything=False)
    assert "</script>" not in pac
    assert pac.isascii()
    assert route(pac, "claude.ai", "axb", "axxc") == ["DIRECT", "DIRECT", "DIRECT"]


def test_the_file_defines_the_function_that_browsers_call_and_never_offers_a_way_around():
    pac = pac_file("[::1]:8080", RULES, everything=False)
    assert "function FindProxyForURL(url, host)" in pac
    assert 'var PROXY = "PROXY [::1]:8080";' in pac
    assert 'var NAMES = {"claude.ai": 1};' in pac
    assert 'var PARENTS = {"openai.com": 1};' in pac
    assert not re.search(r"PROXY[^\n]*DIRECT", pac)
    assert "dnsResolve" not in pac


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("gate.example", id="no port"),
        pytest.param(":8080", id="no host"),
        pytest.param("gate.example:99999", id="no such port"),
        pytest.param('gate"; DIRECT:80', id="an injection"),
        pytest.param("gate:80; DIRECT", id="a way around"),
        pytest.param("gate:80\n", id="a line break"),
    ],
)
def test_what_is_not_host_and_port_makes_no_file(address):
    with pytest.raises(ConfigError):
        pac_file(address, RULES, everything=False)


def test_the_same_rules_in_another_order_make_the_same_file():
    assert pac_file("gate:1", RULES, False) == pac_file("gate:1", [*RULES[::-1], RULES[0]], False)
