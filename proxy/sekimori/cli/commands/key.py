"""``sekimori key``: the keys of agents and applications, each of one owner and for one grant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import escape, print_json, print_table, say
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.places import Places
    from sekimori.policy.agentkeys import AgentKey
    from sekimori.store.people import Account

group = command_group(
    "Keys of agents and applications: each admits by one grant, as its owner, who answers for it.",
    "sekimori key create --owner yamada --grant g-2026-001",
    "sekimori key list",
)

_COLUMNS = ("id", "owner", "grant", "label", "created", "revoked")
_LONGEST_LABEL = 100


@group.command("create")
def create(
    owner: Annotated[str, typer.Option("--owner", help="The account that answers for what the key does.")],
    grant: Annotated[str, typer.Option("--grant", help="The one grant that the key may use.")],
    label: Annotated[str, typer.Option("--label", help="What the key is for; it is shown in lists.")] = "",
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Make a key. It is printed once, here, and cannot be shown again.

    A program presents it to the proxy as `Proxy-Authorization: Bearer KEY`, or where it can only do Basic as the
    password of its owner, or of the name `key`: HTTPS_PROXY=http://key:KEY@proxy:8080.

    \b
    Example:
      sekimori key create --owner yamada --grant g-openai --label "nightly summaries"
    """
    import secrets

    from sekimori.cli.noting import note
    from sekimori.cli.opened import now_us, people_names, store_session
    from sekimori.policy.agentkeys import new_key
    from sekimori.store.people import PersonRepo

    places = installation(data, keys, config)
    if len(label) > _LONGEST_LABEL:
        raise UsageError("The label is too long.", hint=f"Use at most {_LONGEST_LABEL} characters.")
    _check_grant(places, grant)
    now = now_us()
    text, key = new_key(secrets.token_bytes, grant=grant, label=label, now_us=now)
    with store_session(places) as session:
        people = PersonRepo(session, people_names(places))
        held = people.get(owner)
        if held is not None and held.disabled:
            raise UsageError(f"{held.name} is disabled.", hint="Name an owner who may act.")
        account = people.add_key(owner, key, now_us=now)
        note(places, session, account)
    _wait(places, account)
    if json:
        print_json({**_shown(account, key), "key": text})
    else:
        print(text)
        say(f"Key {key.id} of {escape(account.name)} for {escape(grant)}. It is not shown again.")


@group.command("list")
def list_keys(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """List the keys, revoked ones too; the keys themselves are kept nowhere.

    \b
    Example:
      sekimori key list
    """
    from sekimori.cli.opened import people_names, store_session
    from sekimori.store.people import PersonRepo

    places = installation(data, keys, config)
    with store_session(places) as session:
        accounts = PersonRepo(session, people_names(places)).list()
    shown = [_shown(account, key) for account in accounts for key in account.agent_keys]
    if json:
        for one in shown:
            print_json(one)
    else:
        print_table(_COLUMNS, shown)


@group.command("revoke")
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id that `sekimori key list` shows.")],
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Make a key worthless; gate workers know within five seconds, and what it has under way is cut.

    \b
    Example:
      sekimori key revoke k7q2mzx4ab
    """
    from sekimori.cli.noting import note
    from sekimori.cli.opened import now_us, people_names, store_session
    from sekimori.store.people import PersonRepo

    places = installation(data, keys, config)
    with store_session(places) as session:
        account = PersonRepo(session, people_names(places)).revoke_key(id_, now_us=now_us())
        note(places, session, account)
    _wait(places, account)
    if json:
        print_json(next(_shown(account, key) for key in account.agent_keys if key.id == id_))
    else:
        print(f"{escape(id_)}: revoked")


def _check_grant(places: Places, grant: str) -> None:
    from sekimori.cli.opened import policy_files
    from sekimori.errors import PolicyUnavailableError
    from sekimori.policy.snapshot import load
    from sekimori.store.publish import read_current

    try:
        sha256 = read_current(places.policy).policy
        published = load(policy_files(places).read(places.policy, "policy", sha256), sha256)
    except (PolicyUnavailableError, FileNotFoundError) as error:
        raise UsageError(
            "No policy has been published, so no grant is in force.", hint="Start sekimori up once."
        ) from error
    if not any(one.id == grant and one.status == "active" for one in published.grants):
        raise UsageError(f"No grant {grant} is in force.", hint="A key is for one grant; name its id.")


def _wait(places: Places, account: Account) -> None:
    from sekimori.cli.in_force import people_published, serves

    if not people_published(places, account.updated_us) and serves(places):
        say("It is stored but not in force yet; see what `sekimori up` says.")


def _shown(account: Account, key: AgentKey) -> dict[str, object]:
    return {
        "id": key.id,
        "owner": account.name,
        "grant": key.grant,
        "label": key.label,
        "created": _time(key.created_us),
        "revoked": _time(key.revoked_us) if key.revoked_us else "",
    }


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")
