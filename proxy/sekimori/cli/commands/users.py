"""``sekimori user``: local accounts, their groups, roles and two kinds of passwords."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, ConfigFile, Data, Json, Keys, installation
from sekimori.cli.terminal import escape, print_json, print_table, say
from sekimori.errors import UsageError

if TYPE_CHECKING:
    from sekimori.cli.places import Places
    from sekimori.store.people import Account

group = command_group(
    "Local accounts: who may use the proxy and the web pages, with which roles.",
    "sekimori user add yamada --group summarisers",
    "sekimori user passwd yamada --proxy",
)

Name = Annotated[str, typer.Argument(help="The account; case and width make no difference.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password of the web pages from standard input.")
]
ProxyPasswordStdin = Annotated[
    bool,
    typer.Option(
        "--proxy-password-stdin",
        help="Read the proxy password from standard input; after the other password, where both are given.",
    ),
]
_COLUMNS = ("name", "groups", "roles", "disabled", "password", "proxy_password")


@group.command("add")
def add(
    name: Name,
    groups: Annotated[list[str] | None, typer.Option("--group", help="A group; may be repeated.")] = None,
    roles: Annotated[list[str] | None, typer.Option("--role", help="A role; may be repeated.")] = None,
    password_stdin: PasswordStdin = False,
    proxy_password_stdin: ProxyPasswordStdin = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Make an account.

    A secret that is not piped in is asked for on a terminal. Without a terminal the account is made
    without it, and cannot use what it opens until `sekimori user passwd` sets it. There is no default.

    \b
    Examples:
      sekimori user add yamada --group summarisers
      printf '%s\\n' "$PROXY_PASSWORD" | sekimori user add yamada --proxy-password-stdin
    """
    from sekimori.cli.noting import note
    from sekimori.cli.opened import now_us, people_names, store_session
    from sekimori.store.people import PersonRepo
    from sekimori.vault.passwords import hash_password

    places = installation(data, keys, config)
    password, proxy = _secrets(password_stdin, proxy_password_stdin)
    with store_session(places) as session:
        account = PersonRepo(session, people_names(places)).add(
            name,
            now_us=now_us(),
            groups=groups or (),
            roles=roles or (),
            password=hash_password(password) if password else None,
            proxy_password=hash_password(proxy) if proxy else None,
        )
        note(places, session, account)
    _done(places, account, "made", json)
    if not proxy:
        say(f"It has no proxy password yet; set it with: sekimori user passwd {escape(account.name)} --proxy")


@group.command("list")
def list_accounts(
    json: Json = False, data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS, config: ConfigFile = None
) -> None:
    """List the accounts; of passwords only whether there is one.

    \b
    Example:
      sekimori user list --json
    """
    from sekimori.cli.opened import people_names, store_session
    from sekimori.store.people import PersonRepo

    places = installation(data, keys, config)
    with store_session(places) as session:
        shown = [_shown(account) for account in PersonRepo(session, people_names(places)).list()]
    if json:
        for account in shown:
            print_json(account)
    else:
        print_table(_COLUMNS, shown)


@group.command("disable")
def disable(
    name: Name,
    enable: Annotated[bool, typer.Option("--undo", help="Open the account again.")] = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Close an account; gate workers know within five seconds. Records go on naming it.

    \b
    Example:
      sekimori user disable yamada
    """
    from sekimori.cli.noting import note
    from sekimori.cli.opened import now_us, people_names, store_session
    from sekimori.store.people import PersonRepo

    places = installation(data, keys, config)
    with store_session(places) as session:
        account = PersonRepo(session, people_names(places)).set_disabled(
            name, disabled=not enable, now_us=now_us()
        )
        note(places, session, account)
    _done(places, account, "opened again" if enable else "disabled", json)


@group.command("passwd")
def passwd(
    name: Name,
    proxy: Annotated[bool, typer.Option("--proxy", help="Ask for the proxy password instead.")] = False,
    password_stdin: PasswordStdin = False,
    proxy_password_stdin: ProxyPasswordStdin = False,
    json: Json = False,
    data: Data = DEFAULT_DATA,
    keys: Keys = DEFAULT_KEYS,
    config: ConfigFile = None,
) -> None:
    """Set a password; the old one stops working within five seconds.

    \b
    Examples:
      sekimori user passwd yamada --proxy
      printf '%s\\n' "$PASSWORD" | sekimori user passwd yamada --password-stdin
    """
    from sekimori.cli import secrets_in
    from sekimori.cli.noting import note
    from sekimori.cli.opened import now_us, people_names, store_session
    from sekimori.store.people import PersonRepo
    from sekimori.vault.passwords import hash_password

    places = installation(data, keys, config)
    password, proxy_password = _piped(password_stdin, proxy_password_stdin)
    if not (password or proxy_password):
        if not sys.stdin.isatty():
            raise UsageError(
                "There is no terminal to ask for a password.",
                hint="Pipe it in with --password-stdin or --proxy-password-stdin.",
            )
        entered = secrets_in.ask("proxy password" if proxy else "password")
        password, proxy_password = ("", entered) if proxy else (entered, "")
    with store_session(places) as session:
        people = PersonRepo(session, people_names(places))
        account = people.get(name)
        if password:
            account = people.set_password(name, hash_password(password), now_us=now_us())
        if proxy_password:
            account = people.set_proxy_password(name, hash_password(proxy_password), now_us=now_us())
        if account is not None:
            note(places, session, account)
    if account is not None:
        _done(places, account, "changed", json)


def _secrets(password_stdin: bool, proxy_password_stdin: bool) -> tuple[str, str]:
    from sekimori.cli import secrets_in

    password, proxy = _piped(password_stdin, proxy_password_stdin)
    if sys.stdin.isatty() and not (password or proxy):
        password, proxy = secrets_in.ask("password"), secrets_in.ask("proxy password")
    if password and password == proxy:
        raise UsageError(
            "The proxy password must differ from the password.",
            hint="Programs keep the one, people the other.",
        )
    return password, proxy


def _piped(password_stdin: bool, proxy_password_stdin: bool) -> tuple[str, str]:
    """Read what is piped in: the first line is the password, the next the proxy password."""
    from sekimori.cli import secrets_in

    password = secrets_in.from_pipe("password") if password_stdin else ""
    return password, secrets_in.from_pipe("proxy password") if proxy_password_stdin else ""


def _done(places: Places, account: Account, what: str, json: bool) -> None:
    from sekimori.cli.in_force import people_published, serves

    if not people_published(places, account.updated_us) and serves(places):
        say("It is stored but not in force yet; see what `sekimori up` says.")
    if json:
        print_json(_shown(account))
    else:
        print(f"{escape(account.name)}: {what}")


def _shown(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "groups": account.groups,
        "roles": account.roles,
        "disabled": account.disabled,
        "password": account.password is not None,
        "proxy_password": account.proxy_password is not None,
    }
