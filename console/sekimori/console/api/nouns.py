"""Which routes there are: each noun of governance with its path, each command with the verb it is called by.

The rows are in ``granting`` and ``using``. What is left out is named in ``CLOSED`` with its reason, so that a test
can tell forgotten from decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sekimori.console.api.granting import GRANTING
from sekimori.console.api.naming import Noun, Verb
from sekimori.console.api.using import USING
from sekimori.governance import content_reading, feedback

__all__ = ["AGENT", "ANSWER", "CLOSED", "NOUNS", "OPEN", "Noun", "Verb", "verbs"]

NOUNS: tuple[Noun, ...] = (*GRANTING, *USING)

AGENT = Verb("agent-feedback", feedback.AnswerAsAgent, makes=True, fresh=("task",), told=("owner",))
"""The one thing that an agent's token may do; it has a path of its own."""

ANSWER = Verb("answer", feedback.AnswerFeedback)
"""Whoever signed in needs no link to answer on a conversation of theirs (``answering``)."""

OPEN = Verb("open", content_reading.OpenContent)
"""Opening content answers with the content itself (``reading_room``)."""

CLOSED: Mapping[str, str] = {
    "counter": "counts report numbers; nobody edits it, and each application shows its number",
    "feedback_token": "is the keyed hash of a link; the link itself is what a person holds",
    "counted": "is how far the gate's own record was counted",
    "account": "is what the routes of accounts leave behind: noted with each act, and edited by nobody",
    "IssueDocument": "is performed by whoever hands the document out, over its very bytes",
}
"""What the API leaves out, by noun or command, and why."""


def verbs() -> Iterator[tuple[Noun, Verb]]:
    """Walk every verb with its noun."""
    return ((noun, verb) for noun in NOUNS for verb in noun.verbs)
