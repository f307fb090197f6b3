"""Faults of the identity sources are told before the gate starts, each with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from sekimori.cli.config_file import load
from sekimori.cli.identity_checks import check_identity
from sekimori.errors import ConfigError
from support.clientcerts import ClientAuthority


def configured(folder: Path, text: str):
    file = folder / "sekimori.toml"
    file.write_text(text, "utf-8")
    return load(file, {})


LDAP = '[identity]\nsources = ["ldap"]\n[identity.ldap]\nurls = ["ldaps://d.example"]\nuser_base = "dc=x"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('[identity]\nsources = ["ldap"]', "urls and user_base", id="no directory"),
        pytest.param('[identity]\nsources = ["header"]', "with parents", id="no parents"),
        pytest.param(
            '[identity]\nsources = ["header"]\n[identity.header]\nparents = ["squid.example"]\nstrip_realm = true',
            "name the one realm",
            id="any realm cut off",
        ),
        pytest.param('[identity]\nsources = ["mtls"]', "client_ca_file", id="no certificates asked for"),
        pytest.param('[identity]\nsources = ["basic", "basic"]', "named twice", id="a source twice"),
        pytest.param(
            '[identity.ldap]\nurls = ["ldaps://d"]', "nobody reads this section", id="a section nobody reads"
        ),
        pytest.param("[identity.ldap]\nuser_bas = 1", "did you mean user_base", id="a misspelt key"),
        pytest.param(LDAP.replace("ldaps", "ldap"), "beyond loopback", id="no TLS"),
        pytest.param(LDAP.replace("ldaps", "http"), "neither ldap", id="no URL of a directory"),
        pytest.param(LDAP + 'bind_dn = "cn=x"', "belong together", id="a name without its password file"),
        pytest.param(
            LDAP + 'user_filter = "(uid=*)"', "does not say where", id="a filter that finds everybody"
        ),
        pytest.param(LDAP + 'user_filter = "(uid={name}"', "no LDAP filter", id="a broken filter"),
        pytest.param(LDAP + 'nesting = "chain"\ngroup_filter = "(member:={dn})"', "equality", id="no chain"),
        pytest.param('[identity.header]\nname = "X-Remote-User"', "travel on", id="a header that leaves"),
        pytest.param('[gate.tls]\nkey_file = "x"', "belong together", id="a key without its certificate"),
        pytest.param('[gate.tls]\nname = "gate"', "are missing", id="a name without a certificate"),
        pytest.param('[devices]\n"10.0.0.300" = "x"', "devices", id="a device at no address"),
    ],
)
def test_the_configuration_is_refused(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError, match=said):
        configured(tmp_path, text)


def test_start_tls_and_loopback_need_no_ldaps(tmp_path: Path):
    configured(tmp_path, LDAP.replace("ldaps", "ldap") + "start_tls = true")
    configured(tmp_path, LDAP.replace("ldaps://d.example", "ldap://127.0.0.1"))


def test_a_listener_with_a_certificate_may_be_beyond_loopback(tmp_path: Path):
    certificate, key = ClientAuthority(tmp_path / "ca").issue("gate")
    files = f'[gate.tls]\ncertificate_file = "{certificate}"\nkey_file = "{key}"\n'
    config = configured(tmp_path, '[gate]\nlisten = "0.0.0.0:8080"\n' + files)
    check_identity(config)
    key.write_text("x")
    with pytest.raises(ConfigError, match=r"gate\.tls"):
        check_identity(config)


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        pytest.param(None, 0o600, "cannot be read", id="missing"),
        pytest.param("\n", 0o600, "is empty", id="empty"),
        pytest.param("secret\n", 0o644, "by everybody", id="readable by everybody"),
        pytest.param("secret\n", 0o640, "", id="good"),
    ],
)
def test_the_directorys_password_file_is(tmp_path: Path, content: str | None, mode: int, said: str):
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
        secret.chmod(mode)
    config = configured(tmp_path, LDAP + f'bind_dn = "cn=x"\nbind_password_file = "{secret}"')
    if said:
        with pytest.raises(ConfigError, match=said):
            check_identity(config)
    else:
        check_identity(config)


def test_a_directorys_ca_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("x")
    config = configured(tmp_path, LDAP + f'ca_file = "{tmp_path}/ca.pem"')
    with pytest.raises(ConfigError, match="ca_file"):
        check_identity(config)
