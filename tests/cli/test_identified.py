"""Whom ``explain`` takes somebody to be: by account, by directory, by key, never by a source that is not there."""

from __future__ import annotations

import pytest

from sekimori.cli.identified import Identified, identified
from sekimori.errors import UsageError
from sekimori.policy.agentkeys import AgentKey
from sekimori.policy.people import People, Person

KEY = AgentKey(id="k7q2mzx4ab", sha256="0" * 64, grant="g-1")
YAMADA = Person(name="yamada", groups=("office",), keys=(KEY,))
PEOPLE = People([YAMADA, Person(name="closed", disabled=True)])


@pytest.mark.parametrize(
    ("sources", "said", "known"),
    [
        pytest.param(("basic", "apikey"), None, "basic", id="the first that is configured"),
        pytest.param(("apikey", "ldap"), None, "ldap", id="a key is never assumed"),
        pytest.param(("basic", "mtls"), "mtls", "mtls", id="the one that is said"),
        pytest.param(("basic", "header"), "header", "header/mtls", id="a parent proxy, as records write it"),
        pytest.param(("basic", "header"), "header/mtls", "header/mtls", id="as records write it"),
        pytest.param(("apikey",), "key/k7q2mzx4ab", "key/k7q2mzx4ab/g-1", id="a key with its grant"),
    ],
)
def test_an_account_is_known_by_a_source_that_is_configured(sources, said, known):
    assert identified(PEOPLE, sources, user="Yamada", said=said) == Identified(YAMADA, known)


def test_a_source_that_is_not_configured_identifies_nobody():
    assert identified(PEOPLE, ("basic",), user="yamada", said="ldap") == Identified(None, "none")
    assert identified(PEOPLE, ("basic",), user="yamada", said="key/k7q2mzx4ab") == Identified(None, "none")


def test_who_has_no_account_is_assumed_to_be_in_a_directory_where_there_is_one():
    found = identified(PEOPLE, ("ldap", "mtls"), user="suzuki", said="mtls", groups=("summarisers",))
    assert found == Identified(Person(name="suzuki", groups=("summarisers",)), "mtls", assumed=True)
    assert identified(PEOPLE, ("basic", "mtls"), user="suzuki", said="mtls").person is None
    assert identified(PEOPLE, ("basic", "ldap"), user="suzuki", said="basic").person is None


@pytest.mark.parametrize(
    ("user", "said", "sentence"),
    [
        pytest.param("yamada", "address", "says nobody who somebody is", id="no source"),
        pytest.param("yamada", "key/none", "yamada has no key none", id="no such key"),
        pytest.param("closed", "key/k7q2mzx4ab", "closed has no key k7q2mzx4ab", id="somebody else's key"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(user, said, sentence):
    with pytest.raises(UsageError, match=sentence):
        identified(PEOPLE, ("basic", "apikey"), user=user, said=said)
