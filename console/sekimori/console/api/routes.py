"""A route as a value: how it is asked, what runs, what it takes and gives. Serving and describing read the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from sekimori.console.api.callers import Caller
from sekimori.console.api.ports import ApiPorts
from sekimori.console.api.problems import Refused

Kind = Literal["open", "read", "write", "content", "account"]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of the query."""

    name: str
    type: Any
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: what becomes JSON, and what goes with it; None is an empty answer."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in; ``only_own`` is whether it may be about the caller's own things only."""

    caller: Caller
    ports: ApiPorts
    at_us: int
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    if_match: str
    once: str
    client: str
    only_own: bool = False


Run = Callable[[Call], Reply]
Owns = Callable[[ApiPorts, str, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way to ask; ``tag`` groups routes in the document and in the scopes of tokens.

    ``makes`` is whether what the path's id names is made where it is not there yet.
    ``owns`` says whether the thing with the path's id is about a person; it is asked before the body is read.
    """

    method: str
    path: str
    tag: str
    summary: str
    run: Run
    kind: Kind
    reply: Any
    status: int = 200
    body: type[Any] | None = None
    query: tuple[Param, ...] = ()
    etag: bool = False
    conditional: bool = False
    makes: bool = False
    owns: Owns | None = None

    @property
    def key(self) -> str:
        """Name the route as the table of permissions does."""
        return f"{self.method} {self.path}"

    @property
    def once(self) -> bool:
        """Whether an Idempotency-Key is understood."""
        return self.kind == "write" and self.body is not None

    def read_query(self, given: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Read the query; what it does not name has its default, and what it names twice is refused."""
        said: dict[str, list[str]] = {}
        for name, value in given:
            said.setdefault(name, []).append(value)
        found: dict[str, Any] = {}
        for param in self.query:
            if param.name not in said:
                found[param.name] = param.default
                continue
            try:
                [value] = said[param.name]
                read = msgspec.convert(value, param.type, strict=False)
            except (msgspec.ValidationError, ValueError):
                raise Refused("invalid", why=f"the query's {param.name}") from None
            if read is None:  # so msgspec reads the word null
                raise Refused("invalid", why=f"the query's {param.name}")
            found[param.name] = read
        return found
