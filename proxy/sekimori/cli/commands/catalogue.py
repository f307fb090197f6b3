"""``sekimori catalogue``: which AI services Sekimori knows, and by which hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, Data, Json, Keys
from sekimori.cli.terminal import escape, print_json, print_table, say
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.catalogue.records import ServiceRecord

group = command_group(
    "The AI services that Sekimori knows, and what it does with their hosts.",
    "sekimori catalogue search openai api",
    "sekimori catalogue show chatgpt.com",
)

_COLUMNS = ("id", "name", "provider", "kind", "contract_type", "flags")


@group.command("search")
def search(
    words: Annotated[list[str], typer.Argument(help="Words of an id, name, provider, kind or host.")],
    json: Json = False,
    data: Data = DEFAULT_DATA,  # noqa: ARG001 (every command takes it)
    keys: Keys = DEFAULT_KEYS,  # noqa: ARG001
) -> None:
    """List the services that match every word; exit 1 when none does.

    \b
    Example:
      sekimori catalogue search openai api
    """
    from sekimori.catalogue.catalogue import Catalogue

    found = Catalogue.load().search(" ".join(words))
    if json:
        for service in found:
            print_json(service)
    elif found:
        print_table(_COLUMNS, (_row(service) for service in found))
    if not found:
        say("No service of the catalogue matches; a host is looked up with: sekimori catalogue show HOST")
        raise typer.Exit(1)


@group.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="ID|HOST", help="A service's id, or a host name.")],
    json: Json = False,
    data: Data = DEFAULT_DATA,  # noqa: ARG001 (every command takes it)
    keys: Keys = DEFAULT_KEYS,  # noqa: ARG001
) -> None:
    """Show one service: by its id, or by a host that it serves; exit 1 when the catalogue knows neither.

    \b
    Example:
      sekimori catalogue show api.openai.com
    """
    service, rule = _find(name)
    if service is None:
        say(f"The catalogue knows no {name}; search it with: sekimori catalogue search WORD")
        raise typer.Exit(1)
    if json:
        print_json({**_plain(service), **({"rule": rule} if rule else {})})
        return
    for field in ("id", "name", "name_ja", "provider", "kind", "contract_type", "api_style"):
        print(f"{field + ':':16}{escape(str(getattr(service, field)))}")
    print(f"{'flags:':16}{' '.join(service.flags)}")
    print(f"{'data locations:':16}{' '.join(service.data_locations) or 'not stated'}")
    print_table(("host", "match", "interception"), (_plain(host) for host in service.hosts))


def _find(name: str) -> tuple[ServiceRecord | None, dict[str, Any] | None]:
    from sekimori.catalogue.catalogue import Catalogue
    from sekimori.catalogue.hosts import HostError, canonical_host

    catalogue = Catalogue.load()
    if (service := catalogue.get(name)) is not None:
        return service, None
    try:
        entry = catalogue.lookup(canonical_host(name).name)
    except HostError as error:
        raise UsageError(
            f'"{name}" is neither an id nor a host name.', hint="Write it as in api.openai.com."
        ) from error
    if entry is None:
        return None, None
    rule = {"host": entry.host, "match": entry.match, "interception": entry.interception}
    return catalogue.get(entry.service), rule


def _plain(record: Any) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def _row(service: ServiceRecord) -> dict[str, Any]:
    return _plain(service)
