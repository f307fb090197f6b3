"""The names that issuing certificates permit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.gate.names import AWS_REGIONS, GOOGLE_REGIONS, is_within, lineage, permitted_names

labels = st.text("abc", min_size=1, max_size=2)
names = st.lists(labels, min_size=2, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("rules", "permitted"),
    [
        pytest.param([("api.openai.com", False)], {"api.openai.com"}, id="a name stands for itself"),
        pytest.param([("openai.com", True)], {"openai.com"}, id="a suffix is a parent"),
        pytest.param(
            [("a.b.jp", False), ("b.jp", True)], {"b.jp"}, id="a parent makes its children redundant"
        ),
        pytest.param([("ab.jp", False), ("b.jp", False)], {"ab.jp", "b.jp"}, id="a label is not a substring"),
        pytest.param(
            [("*.openai.azure.com", False)], {"openai.azure.com"}, id="a leading wildcard is a parent"
        ),
        pytest.param([], set(), id="no rules"),
    ],
)
def test_rules_become_the_fewest_names_that_cover_them(rules, permitted):
    assert permitted_names(rules).names == permitted


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("com", id="a top-level domain"),
        pytest.param("*.com", id="every company"),
        pytest.param("chat-*.webpubsub.azure.com", id="a wildcard without a list of what it stands for"),
        pytest.param("bedrock.*.*.amazonaws.com", id="two wildcards"),
        pytest.param("127.0.0.1:8080", id="not a name"),
        pytest.param("日本.jp", id="not an A-label"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_rule_that_no_safe_name_covers_is_reported_and_not_widened(rule):
    permitted = permitted_names([(rule, True)])
    assert permitted.names == frozenset()
    assert permitted.uncovered == (rule,)


def test_a_regional_wildcard_permits_each_region_and_not_the_whole_cloud():
    permitted = permitted_names([("bedrock-runtime.*.amazonaws.com", False)])
    assert permitted.names == {f"bedrock-runtime.{region}.amazonaws.com" for region in AWS_REGIONS}
    assert "bedrock-runtime.ap-northeast-1.amazonaws.com" in permitted.names
    assert not is_within("my-bucket.s3.amazonaws.com", permitted.names)


def test_a_wildcard_inside_a_label_permits_each_region_too():
    permitted = permitted_names([("*-aiplatform.googleapis.com", False)])
    assert permitted.names == {f"{region}-aiplatform.googleapis.com" for region in GOOGLE_REGIONS}
    assert not is_within("storage.googleapis.com", permitted.names)


def test_a_name_and_its_parents_are_walked_nearest_first():
    assert list(lineage("a.b.c")) == ["a.b.c", "b.c", "c"]


@given(st.lists(st.tuples(names, st.booleans())))
def test_every_rule_is_covered_and_nothing_is_permitted_that_no_rule_names(rules):
    permitted = permitted_names(rules)
    assert all(is_within(name, permitted.names) for name, _ in rules)
    assert permitted.names <= {name for name, _ in rules}
    assert not any(is_within(name.partition(".")[2], permitted.names) for name in permitted.names)
