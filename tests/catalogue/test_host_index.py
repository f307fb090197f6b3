"""The index finds the most exact rule, and its work depends on the labels of the name alone."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.catalogue.index import HostIndex, covers
from sekimori.catalogue.records import Match


@dataclass(frozen=True)
class Rule:
    host: str
    match: Match


class CountingTable(dict[str, list[Rule]]):
    """A dictionary that counts how often it is asked."""

    asked: ClassVar[Counter[str]] = Counter()

    def get(self, key, default=None):
        self.asked["probes"] += 1
        return super().get(key, default)


FULL = Rule("www.example.com", "full")
APEX = Rule("example.com", "full")
SUFFIX = Rule("example.com", "suffix")
DEEPER = Rule("api.example.com", "suffix")
PATTERN = Rule("api.*.example.com", "pattern")
AFFIX = Rule("*-run.example.com", "pattern")
RULES = (FULL, APEX, SUFFIX, DEEPER, PATTERN, AFFIX)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        pytest.param("www.example.com", FULL, id="full before suffix"),
        pytest.param("example.com", APEX, id="full before suffix on the same name"),
        pytest.param("other.example.com", SUFFIX, id="under a suffix"),
        pytest.param("a.b.example.com", SUFFIX, id="deep under a suffix"),
        pytest.param("x.api.example.com", DEEPER, id="the longer suffix"),
        pytest.param("api.eu.example.com", PATTERN, id="a pattern before a suffix"),
        pytest.param("api.eu.west.example.com", SUFFIX, id="a star does not cross a dot"),
        pytest.param("eu-run.example.com", AFFIX, id="a star within a label"),
        pytest.param("-run.example.com", SUFFIX, id="a star stands for something"),
        pytest.param("notexample.com", None, id="not at a dot"),
        pytest.param("example.com.evil.test", None, id="a prefix is no suffix"),
        pytest.param("com", None, id="above the suffix"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_most_exact_rule_wins(name, rule):
    assert HostIndex(RULES).find(name) == rule


def test_of_two_patterns_the_one_with_its_star_further_left_wins():
    bucket, region = Rule("*.s3.example.com", "pattern"), Rule("q.*.example.com", "pattern")
    for rules in ((bucket, region), (region, bucket)):
        assert HostIndex(rules).find("q.s3.example.com") == bucket


@pytest.mark.parametrize("match", ["full", "suffix"])
def test_the_same_rule_cannot_stand_twice(match):
    with pytest.raises(ValueError, match="listed twice"):
        HostIndex([Rule("example.com", match), Rule("example.com", match)])


@pytest.mark.parametrize("host", ["example.com", "*.*.example.com"])
def test_a_pattern_has_exactly_one_star_label(host):
    with pytest.raises(ValueError, match="unpack"):
        HostIndex([Rule(host, "pattern")])


@pytest.mark.parametrize("labels", [1, 2, 5, 60, 127])
@pytest.mark.parametrize("size", [0, 10, 20_000])
def test_a_look_up_costs_at_most_two_probes_a_label(size, labels):
    rules = [*(Rule(f"host{i}.example.com", "suffix") for i in range(size)), PATTERN]
    index = HostIndex(rules, table=CountingTable)
    CountingTable.asked.clear()
    index.find(".".join(["a"] * labels))
    assert CountingTable.asked["probes"] <= 2 * labels


LABEL = st.sampled_from(["a", "b", "ab", "a-b"])
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)


@st.composite
def rules(draw):
    host, match = draw(NAME), draw(st.sampled_from(["full", "suffix", "pattern"]))
    if match == "pattern":
        labels = host.split(".")
        labels[draw(st.integers(0, len(labels) - 1))] = draw(st.sampled_from(["*", "a*", "*b", "a*b"]))
        host = ".".join(labels)
    return Rule(host, match)


@given(st.sets(rules(), max_size=12), NAME)
def test_the_index_finds_a_rule_exactly_where_one_covers_the_name(known, name):
    found = HostIndex(known).find(name)
    covering = [rule for rule in known if covers(rule, name)]
    if found is None:
        assert covering == []
    else:
        rank = {"full": 0, "pattern": 1, "suffix": 2}
        best = min((rank[rule.match], -len(rule.host) * (rule.match == "suffix")) for rule in covering)
        assert found in covering
        assert (rank[found.match], -len(found.host) * (found.match == "suffix")) == best
