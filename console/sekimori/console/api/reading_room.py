"""The log: metadata of records, and their content under a leave to read [ABG-P4-1].

Before content is shown, the opening is an event of governance and the reading a record of its own: if either
can't be written, nothing is shown. It is masked unless a second person allowed the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from sekimori.console.api.governed import LIMIT, owned
from sekimori.console.api.nouns import NOUNS
from sekimori.console.api.ports import ApiPorts, Fields
from sekimori.console.api.problems import Refused
from sekimori.console.api.routes import Call, Param, Reply, Route
from sekimori.governance.actors import same
from sekimori.governance.content_reading import ContentReading, OpenContent
from sekimori.governance.masking import masked_all
from sekimori.store.finding import Query

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Text = Annotated[str, msgspec.Meta(max_length=256)]
_CURSOR = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{1,17}\.[A-Za-z0-9_-]{1,64})?$")]
_NOUN = next(each for each in NOUNS if each.kind is ContentReading)
_QUERY = (
    LIMIT,
    Param("after", _CURSOR, "", "前の頁の `next`。The cursor; the newest records come first."),
    Param("user", _Text | None, None, "この利用者の記録。"),
    Param("service", _Text | None, None, "このサービスの記録。"),
    Param("decision", Literal["allow", "deny", "hold"] | None, None, "この判定の記録。"),
    Param("since", _Instant | None, None, "この時刻以後（RFC 3339）。"),
    Param("until", _Instant | None, None, "この時刻より前（RFC 3339）。"),
)


class Records(msgspec.Struct, frozen=True):
    """A page of metadata, the newest first."""

    items: list[dict[str, Any]]
    next: str | None


class Opened(msgspec.Struct, frozen=True):
    """What was asked and answered, as far as the leave goes."""

    record: str
    masked: bool
    until_us: int
    content: dict[str, Any]


def routes() -> Iterator[Route]:
    """Make the routes of this module."""
    read: dict[str, Any] = {"method": "GET", "tag": "log", "kind": "read"}
    yield Route(
        path="/log/records",
        summary="記録の一覧（内容を含まない）",
        run=_list,
        reply=Records,
        query=_QUERY,
        **read,
    )
    yield Route(
        path="/log/records/{id}",
        summary="記録（内容を含まない）",
        run=_show,
        reply=dict[str, Any],
        owns=_is_ones_own,
        **read,
    )
    yield Route(
        method="POST",
        path=f"/{_NOUN.path}/{{id}}/open",
        tag=_NOUN.path,
        summary="内容を開く。Opening is recorded before anything is shown.",
        run=_open,
        kind="content",
        reply=Opened,
        body=Nothing,
        owns=owned(_NOUN),
    )


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing has to be said."""


def _list(call: Call) -> Reply:
    asked, limit = call.query, call.query["limit"]
    time_us, _, rid = asked["after"].partition(".")
    user = call.caller.actor.name if call.only_own else asked["user"]
    until_us = _us(asked["until"])
    if time_us:
        until_us = min(int(time_us) + 1, until_us or int(time_us) + 1)
    query = Query(
        user=user,
        service=asked["service"],
        decision=asked["decision"],
        since_us=_us(asked["since"]),
        until_us=until_us,
        # What was made in the very microsecond of the cursor comes again, and is left out below.
        limit=limit + 1 + (_TIES if time_us else 0),
    )
    found = list(reversed(call.ports.records.list(query)))
    if time_us:
        found = [each for each in found if _place(each) < (int(time_us), rid)]
    page = found[:limit]
    cursor = "{}.{}".format(*_place(page[-1])) if len(found) > limit else None
    return Reply({"items": [_without_text(call, each) for each in page], "next": cursor})


_TIES = 50
_TEXTS = ("masked",)


def _place(record: Any) -> tuple[int, str]:
    return (_us(datetime.fromisoformat(record["time"])) or 0, record["id"])


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _show(call: Call) -> Reply:
    record = call.ports.records.show(call.path["id"])
    if record is None:
        raise Refused("no-record")
    return Reply(_without_text(call, record))


def _without_text(call: Call, record: Fields) -> dict[str, Any]:
    """Leave the words of a refused request out, masked as they are, unless they are the caller's own.

    They are content: to read them takes a reason, a ticket and an entry of its own, as with any other record.
    """
    own = same(str(record.get("user") or ""), call.caller.actor.name)
    return {**record, **({} if own else {name: None for name in _TEXTS if name in record})}


def _is_ones_own(ports: ApiPorts, name: str, rid: str) -> bool:
    record = ports.records.show(rid)
    if record is None:
        raise Refused("no-record")
    return same(str(record.get("user") or ""), name)


def _open(call: Call) -> Reply:
    change = call.ports.governing.perform(OpenContent(call.path["id"]), call.caller.actor, once="")
    leave = next(each for each in change.values if isinstance(each, ContentReading))
    content = call.ports.records.content(
        leave.record,
        reader=call.caller.actor.name,
        reader_source=call.caller.how,
        reason=f"{leave.reason} [{leave.ticket}; {leave.id}; {'full' if leave.full else 'masked'}]",
    )
    if content is None:
        raise Refused("no-record")
    told = msgspec.to_builtins(content.fields(), enc_hook=str)
    return Reply(
        Opened(leave.record, not leave.full, leave.until_us, told if leave.full else masked_all(told))
    )
