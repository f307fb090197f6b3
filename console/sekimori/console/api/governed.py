"""The routes of governance: for each noun list, get and history, for each verb a POST; made from ``nouns``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from sekimori.console.api.bodies import body_of, fields_of, is_new_id
from sekimori.console.api.nouns import AGENT, NOUNS, Noun, Verb
from sekimori.console.api.ports import ApiPorts
from sekimori.console.api.problems import Refused
from sekimori.console.api.routes import Call, Owns, Param, Reply, Route
from sekimori.console.api.views import History, etag, page_of, shown, told, view_of
from sekimori.governance.acting import actor_of
from sekimori.governance.actors import among, same
from sekimori.governance.change import Change
from sekimori.governance.content_reading import AskReading
from sekimori.governance.feedback import Feedback
from sekimori.governance.refusals import refuse
from sekimori.governance.risks import REGISTER, RiskRegister
from sekimori.governance.state import Aggregate

LIMIT = Param("limit", Annotated[int, msgspec.Meta(ge=1, le=200)], 50, "一度に返す件数。How many at once.")
AFTER = Param("after", Annotated[str, msgspec.Meta(max_length=256)], "", "前の頁の `next`。The cursor.")
STATUS = Param("status", Annotated[str, msgspec.Meta(max_length=32)], "", "この状態のものだけ。")
_SCANNED = 2_000
_ETAG = re.compile(r'"([0-9]{1,15})"')


def routes() -> Iterator[Route]:
    """Make every route of governance."""
    for noun in NOUNS:
        yield from _reading(noun)
        for verb in noun.verbs:
            yield from _writing(noun, verb)
    yield _agents()


def _reading(noun: Noun) -> Iterator[Route]:
    view: Any = view_of(noun.kind)
    page = page_of(view)
    owns = owned(noun)
    path = f"/{noun.path}"

    def listed(call: Call) -> Reply:
        return _list(noun, call)

    def got(call: Call) -> Reply:
        value = find(noun, call)
        return Reply(shown(value), headers=etag(value))

    def happened(call: Call) -> Reply:
        value = find(noun, call)
        limit = call.query["limit"]
        events = call.ports.governing.history(value.noun, value.id, after=call.query["after"], limit=limit)
        cursor = str(events[-1].version) if len(events) == limit else None
        return Reply({"items": [told(each) for each in events], "next": cursor})

    common: dict[str, Any] = {"method": "GET", "tag": noun.path, "kind": "read"}
    lists = (LIMIT, AFTER, STATUS)
    yield Route(path=path, summary=f"{noun.ja}の一覧", run=listed, reply=page, query=lists, **common)
    yield Route(
        path=f"{path}/{{id}}", summary=f"{noun.ja}", run=got, reply=view, etag=True, owns=owns, **common
    )
    version = Param("after", Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,15}$")], "", "前の頁の `next`。")
    yield Route(
        path=f"{path}/{{id}}/history",
        summary=f"{noun.ja}の履歴",
        run=happened,
        reply=History,
        query=(LIMIT, version),
        owns=owns,
        **common,
    )


def _writing(noun: Noun, verb: Verb) -> Iterator[Route]:
    view = view_of(noun.kind)
    doc = (verb.command.__doc__ or "").strip()
    common: dict[str, Any] = {
        "method": "POST",
        "tag": noun.path,
        "kind": "write",
        "reply": view,
        "etag": True,
    }
    if verb.makes:
        yield Route(
            path=f"/{noun.path}",
            summary=doc,
            run=lambda call: make(noun, verb, call),
            body=body_of(verb, makes=True),
            status=201,
            **common,
        )
    if not verb.makes or verb.replaces:
        yield Route(
            path=f"/{noun.path}/{{id}}/{verb.name}",
            summary=doc,
            run=lambda call: act(noun, verb, call),
            body=body_of(verb, makes=False),
            conditional=True,
            makes=verb.makes,
            owns=owned(noun),
            **common,
        )


def _agents() -> Route:
    noun = next(each for each in NOUNS if each.kind is Feedback)
    return Route(
        method="POST",
        path=f"/{AGENT.name}",
        tag=AGENT.name,
        summary="エージェントの回答。An agent answers; a person's duty stays.",
        run=lambda call: make(noun, AGENT, call),
        kind="write",
        reply=view_of(noun.kind),
        status=201,
        body=body_of(AGENT, makes=True),
        etag=True,
    )


# --- reading -----------------------------------------------------------------------------------------


def _list(noun: Noun, call: Call) -> Reply:
    """Give a page of what the caller may see; one that found little still says where to go on."""
    wanted, after, scanned = call.query["limit"], call.query["after"], 0
    items: list[Any] = []
    with call.ports.governing.state() as state:
        while scanned < _SCANNED:
            page = call.ports.governing.list(noun.kind.noun, after=after, limit=200)
            for value in page:
                after, scanned = value.id, scanned + 1
                if call.query["status"] not in ("", value.status):
                    continue
                if call.only_own and not among(call.caller.actor.name, noun.owners(state, value)):
                    continue
                items.append(shown(value))
                if len(items) == wanted:
                    return Reply({"items": items, "next": after})
            if len(page) < 200:
                return Reply({"items": items, "next": None})
    return Reply({"items": items, "next": after})


def find(noun: Noun, call: Call) -> Aggregate:
    """Find the thing that the path names."""
    with call.ports.governing.state() as state:
        return state.get(noun.kind, call.path["id"])


def owned(noun: Noun) -> Owns:
    """Give the question whether a thing of this kind is about somebody."""

    def owns(ports: ApiPorts, name: str, id_: str) -> bool:
        with ports.governing.state() as state:
            return among(name, noun.owners(state, state.get(noun.kind, id_)))

    return owns


# --- writing -----------------------------------------------------------------------------------------


def make(noun: Noun, verb: Verb, call: Call) -> Reply:
    """Carry out a command that makes a thing."""
    fields = fields_of(call.body)
    id_ = fields.pop("id", "") or drawn(call, "id")
    with call.ports.governing.state() as state:
        # A repetition finds what the first one made; then the key decides, not the id.
        if state.find(noun.kind, id_) is not None and not call.once:
            raise refuse("exists", noun=noun.kind.noun, id=id_)
    command = verb.command(**fields, **{verb.key: id_}, **_given(verb, call, fields))
    change = call.ports.governing.perform(
        command, call.caller.actor, expected={(noun.kind.noun, id_): 0}, once=call.once
    )
    value = _of(change, noun, id_)
    return Reply(shown(value), 201, {**etag(value), "location": f"/api/v1/{noun.path}/{value.id}"})


def act(noun: Noun, verb: Verb, call: Call) -> Reply:
    """Carry out a command on the thing that the path names."""
    id_ = call.path["id"]
    if noun.kind is RiskRegister and id_ != REGISTER:
        raise refuse("not-found", noun=noun.kind.noun, id=id_)
    with call.ports.governing.state() as state:
        found = state.find(noun.kind, id_)
    if verb.makes and found is None and not is_new_id(id_):
        raise Refused("no-route")
    version = _version(verb, call, found)
    fields = fields_of(call.body)
    key = {verb.key: id_} if verb.key else {}
    command = verb.command(**fields, **key, **_given(verb, call, fields, version))
    expected = None if version is None else {(noun.kind.noun, id_): version}
    change = call.ports.governing.perform(command, call.caller.actor, expected=expected, once=call.once)
    value = _of(change, noun, id_)
    return Reply(shown(value), headers=etag(value))


def _version(verb: Verb, call: Call, found: Aggregate | None) -> int | None:
    """Give the version that the caller read; what replaces or settles something is refused without it."""
    if call.if_match in ("", "*"):
        if (verb.replaces or verb.settles) and found is not None:
            raise Refused("if-match")
        return 0 if verb.replaces else None
    match = _ETAG.fullmatch(call.if_match)
    if match is None:
        raise Refused("if-match-form")
    if found is None:
        raise Refused("version")
    return int(match[1])


def _given(verb: Verb, call: Call, fields: dict[str, Any], version: int | None = None) -> dict[str, Any]:
    """Give what only the server knows."""
    told: dict[str, Any] = {name: drawn(call, name) for name in verb.fresh}
    for name in verb.told:
        if name == "version":
            told[name] = version or 0
        elif name == "channel":
            told[name] = "portal"
        elif name == "owner":
            told[name] = call.caller.owner
    if verb.command is AskReading:
        told |= _whose(call, fields["record"])
    return told


def _whose(call: Call, rid: str) -> dict[str, str]:
    record = call.ports.records.show(rid)
    if record is None:
        raise Refused("no-record")
    name = str(record.get("user") or "")
    known = call.ports.accounts.known(name) if name else None
    return {"subject": name, "unit": unit_of(call, name, known.unit if known else "")}


def unit_of(call: Call, name: str, unit: str) -> str:
    """Give the unit of a person, as governance knows it, else as the account says."""
    if not name:
        return ""
    with call.ports.governing.state() as state:
        return actor_of(state, name, unit, call.at_us).unit


def _of(change: Change, noun: Noun, id_: str) -> Aggregate:
    """Find what is shown of a change: the thing of the path, else the first that changed."""
    for value in change.values:
        if value.noun == noun.kind.noun and same(value.id, id_):
            return value
    return change.values[0]


def drawn(call: Call, what: str) -> str:
    """Draw an id; a repetition with the same key draws the same one, so that it is the same command."""
    if not call.once:
        return call.ports.new_id()
    return hashlib.sha256(f"{call.once}\0{what}".encode()).hexdigest()[:32]
