"""Every route, every role, with one's own and with somebody else's: the table says, and nothing else does."""

import itertools
from contextlib import nullcontext

import msgspec
import pytest
from fastapi.testclient import TestClient

from sekimori.console.api import Known
from sekimori.console.api.app import routes_of
from sekimori.console.api.nouns import AGENT, ANSWER, CLOSED, NOUNS, OPEN, verbs
from sekimori.console.api.permissions import Row, table
from sekimori.console.api.sessions import Sessions
from sekimori.governance import commands, using
from sekimori.governance.actors import CLOCK_ROLE, ROLES, Actor
from sekimori.governance.change import Change
from sekimori.governance.content_reading import ContentReading
from sekimori.governance.state import State
from support.api_house import BASE, House
from support.governing_double import KINDS
from support.offices import FACTS

ROUTES = [route for route in routes_of(Sessions(bytes)) if route.kind != "open"]
MACHINES = {**commands.MACHINES, **using.MACHINES}
BY_PATH = {noun.path: noun for noun in NOUNS}


class Everything:
    """A thing of each kind that is about one person, and commands that always succeed."""

    def __init__(self, owner):
        self.belong(owner)

    def belong(self, owner):
        self._things = {noun: _thing(kind, owner) for noun, kind in KINDS.items()}

    def perform(self, command, actor, *, expected=None, once=""):
        return Change(State(), (), (self._things["content_reading"], *self._things.values()))

    def carry_out(self, step, *, once=""):
        return Change(State(), (), (self._things["feedback"],))

    def state(self):
        tables = {noun: {value.id: value} for noun, value in self._things.items()}
        for noun in ("approval_authority", "role_assignment"):
            # Whoever these name would have roles by them; here the account says which.
            tables[noun] = {
                key: msgspec.structs.replace(value, status="ENDED") for key, value in tables[noun].items()
            }
        return nullcontext(State("default", tables))

    def history(self, noun, id_, *, after="", limit=100):
        return []

    def list(self, noun, *, after="", limit=100):
        return [] if after else [self._things[noun]]


def _thing(kind, owner):
    fields = {
        each.name: owner if each.type is str else ()
        for each in msgspec.structs.fields(kind)
        if each.required
        or each.name in ("owner", "by", "signed_by", "issued_by", "recorded_by", "editor", "author")
    }
    fields |= {"id": "x", "status": "ANY"}
    if kind is ContentReading:
        fields |= {"record": "r1"}
    if "facts" in fields:
        fields["facts"] = FACTS
    return kind(**fields)


class Walk:
    """One API for all questions; who asks, and whose things there are, is set before each."""

    def __init__(self, console):
        self.things = Everything("me")
        self.house = House(governing=self.things)
        # No app for each of the thousands of questions.
        self.client = TestClient(self.house.app(console), base_url=BASE, raise_server_exceptions=False)
        self.house.accounts.keys["sk-seki-bot"] = ("me", "key/bot")
        self.token = self.house.token(Actor("me"))

    def code(self, role, route, *, own):
        owner, house = "me" if own else "somebody", self.house
        self.things.belong(owner)
        roles = () if role in ("staff", "agent") else (role,)
        house.accounts.people = {"me": Known("me", "", roles), "somebody": Known("somebody")}
        record = {"user": owner, "time": "2026-06-01T00:00:00.000000Z"}
        house.records.rows = {id_: {"id": id_, **record} for id_ in ("x", "r1")}
        headers = {"authorization": f"Bearer {'sk-seki-bot' if role == 'agent' else self.token}"}
        path = route.path.replace("{id}", "x")
        body = {"url": "https://a.example", "user": owner} if route.path == "/explain" else {}
        sent = body if route.method == "POST" else None
        answer = self.client.request(route.method, f"/api/v1{path}", headers=headers, json=sent)
        assert answer.status_code < 500, answer.text
        assert answer.status_code != 401
        return answer.json()["code"] if answer.status_code >= 400 else ""


_WALKS: list[Walk] = []


@pytest.fixture
def walk(house):
    if not _WALKS:
        _WALKS.append(Walk(house))
    return _WALKS[0]


def allowed(code):
    return code not in ("permission", "somebody-elses")


@pytest.mark.req("INT-12")
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_a_route_is_open_to_exactly_the_roles_and_things_of_its_row(route, walk):
    row = table()[route.key]
    for role in (*ROLES, "agent"):
        held = {"agent"} if role == "agent" else {"staff", role}
        code = walk.code(role, route, own=False)
        may = bool(held & row.any)
        if not may and held & row.own and _is_a_list(route):
            assert code != "permission", role
            continue
        assert allowed(code) == may, (role, code)


def _is_a_list(route):
    return route.method == "GET" and "{id}" not in route.path


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if table()[route.key].own], ids=lambda route: route.key
)
def test_what_is_ones_own_is_open_to_those_whom_the_row_names(route, walk):
    code = walk.code("staff", route, own=True)
    assert allowed(code), code


def test_the_table_and_the_routes_are_the_same():
    assert {route.key for route in ROUTES} == set(table())


def test_every_noun_and_command_of_governance_is_routed_or_closed_for_a_reason():
    routed = {verb.command for _, verb in verbs()} | {AGENT.command, ANSWER.command, OPEN.command}
    named = {command.__name__ for command in (set(commands.VERBS) | set(using.VERBS)) - routed}
    nouns = set(KINDS) - {noun.kind.noun for noun in NOUNS}
    assert named | nouns <= set(CLOSED)
    assert len({noun.path for noun in NOUNS}) == len(NOUNS)


@pytest.mark.parametrize(
    ("noun", "verb"), [pytest.param(noun, verb, id=f"{noun.path} {verb.name}") for noun, verb in verbs()]
)
def test_no_row_is_wider_than_the_machine_that_it_leads_to(noun, verb):
    """A person without a role of the machine is refused here already, in words about roles."""
    machine = MACHINES[noun.kind.noun]
    rows = [row for row in machine.rows if row.verb == verb.name.replace("-", "_")]
    if not rows or any(not row.roles for row in rows):
        return
    asked_of = frozenset(itertools.chain.from_iterable(row.roles for row in rows)) - {CLOCK_ROLE}
    keys = [f"POST /{noun.path}"] if verb.makes else []
    if not verb.makes or verb.replaces:
        keys.append(f"POST /{noun.path}/{{id}}/{verb.name}")
    for key in keys:
        row = table()[key]
        both = row.any | row.own
        assert both == asked_of or (both == {"staff"} and "staff" in asked_of), key


def test_a_row_says_who_may_in_the_order_of_the_roles():
    row = Row(any=frozenset({"auditor"}), own=frozenset({"staff"}))
    assert row.roles() == ("staff", "auditor")
