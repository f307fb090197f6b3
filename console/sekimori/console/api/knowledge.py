"""What is worth asking beside governance: why the gate decides as it does, its policy, counts, the API itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec

from sekimori.console.api.problems import Refused, known, problem_of
from sekimori.console.api.routes import Call, Param, Reply, Route
from sekimori.errors import UsageError
from sekimori.governance.actors import same
from sekimori.policy.model import OPERATIONS

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_MONTH = Annotated[str, msgspec.Meta(pattern=r"^(20[0-9]{2}-(0[1-9]|1[0-2]))?$")]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request as it might come; without ``user`` it is the caller's own."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
    user: _Word | None = None
    model: _Word | None = None
    declared_class: Annotated[int, msgspec.Meta(ge=1, le=3)] | None = None
    purpose: _Word | None = None
    operation: Literal[tuple(OPERATIONS)] = "generate"  # type: ignore[valid-type]


class ProblemText(msgspec.Struct, frozen=True):
    """What a code of this API means."""

    code: str
    status: int
    ja: str
    en: str


def routes(document: Callable[[], dict[str, Any]]) -> Iterator[Route]:
    """Make the routes of this module."""
    read: dict[str, Any] = {"method": "GET", "tag": "reports", "kind": "read", "reply": dict[str, Any]}
    yield Route(
        method="POST",
        path="/explain",
        tag="reports",
        summary="判定の説明。What the gate would decide, and why.",
        run=_explain,
        kind="read",
        reply=dict[str, Any],
        body=Question,
    )
    yield Route(
        path="/policy",
        summary="適用中のポリシーの版",
        run=lambda call: Reply(dict(call.ports.policy())),
        **read,
    )
    yield Route(
        path="/compliance",
        summary="申合せ等への準拠の状況",
        run=lambda call: Reply(dict(call.ports.compliance())),
        **read,
    )
    yield Route(
        path="/usage",
        summary="月ごとの利用状況",
        run=lambda call: Reply(dict(call.ports.usage(call.query["month"]))),
        query=(Param("month", _MONTH, "", "YYYY-MM。省略すると今月。This month if it is left out."),),
        **read,
    )
    yield Route(
        method="GET",
        path="/problems/{code}",
        tag="reports",
        summary="エラーコードの説明",
        run=_problem,
        kind="open",
        reply=ProblemText,
    )
    yield Route(path="/openapi.json", summary="このAPIの定義", run=lambda _call: Reply(document()), **read)


def _explain(call: Call) -> Reply:
    question = msgspec.structs.asdict(call.body)
    name = call.caller.actor.name
    asked = question["user"] or name
    if call.only_own and not same(asked, name):
        raise Refused("somebody-elses")
    try:
        return Reply(dict(call.ports.explain({**question, "user": asked, "time_us": call.at_us})))
    except UsageError as error:
        raise Refused("invalid", why=error.message) from None


def _problem(call: Call) -> Reply:
    text = known().get(call.path["code"])
    if text is None:
        raise Refused("no-route")
    return Reply(problem_of(call.path["code"], text))
