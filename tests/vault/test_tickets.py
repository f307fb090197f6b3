"""A link is honoured as it was issued, until its time, and by whoever holds the key of the gate alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.vault.published import PolicySeal
from sekimori.vault.tickets import Ticket, honour, issue, ticket_hash

SEAL = PolicySeal(b"k" * 32)
TICKET = Ticket(kind="feedback", subject="山田", about="c" * 40, expires_us=100)


def test_a_link_says_what_it_was_issued_for_and_shows_none_of_it():
    text = issue(SEAL, TICKET)

    assert honour(SEAL, text, 99) == TICKET
    assert text.isascii()
    assert "ccc" not in text


@pytest.mark.parametrize(
    ("text", "now"),
    [
        pytest.param(issue(SEAL, TICKET), 100, id="too old"),
        pytest.param(issue(PolicySeal(b"x" * 32), TICKET), 0, id="another house's"),
        pytest.param(issue(SEAL, TICKET)[:-2], 0, id="cut"),
        pytest.param("../../etc/passwd", 0, id="no link at all"),
        pytest.param("A" * 5000, 0, id="endless"),
    ],
)
def test_what_is_not_a_living_link_of_ours_is_none(text, now):
    assert honour(SEAL, text, now) is None


@given(st.text(max_size=300))
def test_no_text_at_all_raises(text):
    assert honour(SEAL, text, 0) is None


def test_two_links_about_the_same_are_two_links():
    one, other = issue(SEAL, TICKET), issue(SEAL, TICKET)

    assert ticket_hash(one) != ticket_hash(other)
    assert ticket_hash(one) == ticket_hash(one + "=")
