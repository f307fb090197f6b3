"""An office whose people use services: ``Office`` with the commands and rules of using."""

from __future__ import annotations

import msgspec
import pytest

from sekimori.governance import feedback
from sekimori.governance.actors import Actor, clock
from sekimori.governance.commands import NOUNS as GRANTING
from sekimori.governance.conversation import Conversation, Seen, conversation_id, note_exchanges
from sekimori.governance.notices import NoticeText, PublishNotice, WriteNotice
from sekimori.governance.refusals import Forbidden
from sekimori.governance.state import digest
from sekimori.governance.use_rules import UseRules, use_rules_for
from sekimori.governance.using import NOUNS, pass_time, perform
from support.offices import NOW, SAKI, SHO, Office

EVERY = {**GRANTING, **NOUNS}
CLOCK = clock()
BOT = Actor("bot-1")
KEY = b"k" * 32


class UsingOffice(Office):
    """One organisation whose people use what was granted."""

    rules: UseRules

    def __init__(self, profile="gov", *, at_us=NOW, use=None):
        super().__init__(profile, at_us=at_us)
        self.rules = use_rules_for(profile, at_us, policy_version="p1", use=use)
        self.made = 0
        self.given = set()

    def do(self, actor, *commands):
        self.given.update(type(each) for each in commands)
        for command in commands:
            change = perform(self.state, command, actor, self.at_us, self.rules)
            self.take(change)
        return change

    def run(self, function, *given):
        """Carry out what no person does."""
        change = function(self.state, *given, CLOCK, self.at_us, self.rules)
        self.take(change)
        return change

    def _refusal(self, actor, command):
        with pytest.raises(Forbidden) as caught:
            perform(self.state, command, actor, self.at_us, self.rules)
        return caught.value

    def pass_to(self, at_us):
        self.at_us = at_us
        change = pass_time(self.state, at_us, self.rules)
        self.take(change)
        return change

    def take(self, change):
        now = {noun: {each.id: each.status for each in self.state.all(kind)} for noun, kind in EVERY.items()}
        for event in change.events:
            before = now[event.noun].get(event.id, "")
            after = event.changed.get("status", before)
            self.walked.add((event.noun, before, event.kind.partition(".")[2], after))
            now[event.noun][event.id] = after
        last = {(event.noun, event.id): event for event in change.events}
        stored = {(value.noun, value.id): value for value in change.values}
        assert set(last) == set(stored)
        for key, value in stored.items():
            assert (last[key].version, last[key].digest) == (value.version, digest(value))
            assert change.state.get(type(value), value.id) == value
            packed = msgspec.msgpack.encode(value)
            assert msgspec.msgpack.decode(packed, type=EVERY[value.noun]) == value
        self.state = change.state
        self.events += change.events

    def everything(self):
        return {noun: {each.id: each for each in self.state.all(kind)} for noun, kind in EVERY.items()}

    # --- the steps ---------------------------------------------------------------------------------

    def notice(self, id_="read-me", *, service="*", ja="注意", audience="NOTICE", **fields):
        """Write and publish a notice, or its next version."""
        text = NoticeText("表題", ja, **fields)
        self.do(SAKI, WriteNotice(id_, service, text, audience))
        self.do(SHO, PublishNotice(id_, text.sha256))
        return self

    def exchanges(self, subject, count=1, *, at_us=None, service="chat", **fields):
        """Note exchanges and give the conversation's id."""
        at_us = self.at_us if at_us is None else at_us
        self.run(note_exchanges, (Seen(subject, service, count, at_us, at_us, **fields),))
        return conversation_id(subject, service, at_us, fields.get("conversation", ""))

    def token(self, subject, conversation, covers=()):
        """Issue a token and give what is kept of it."""
        self.made += 1
        kept = feedback.token_hash(KEY, b"token-%d" % self.made)
        self.run(feedback.issue_token, feedback.IssueToken(kept, subject, conversation, tuple(covers)))
        return kept

    def answer(self, actor, conversation, answer="USEFUL", *, covers=(), source="portal", text=""):
        """Answer on a conversation, with a fresh token."""
        kept = self.token(actor.name, conversation, covers)
        id_ = f"f-{self.made}"
        self.do(actor, feedback.AnswerFeedback(id_, kept, answer, source, text, f"t-{id_}"))
        return id_

    def talk(self, id_):
        return self.get(Conversation, id_)
