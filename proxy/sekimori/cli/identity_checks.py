"""What the gate needs to know people by, looked at before it starts: a fault is told here, not at 9 o'clock."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from sekimori.errors import ConfigError

if TYPE_CHECKING:
    from sekimori.cli.config import Config


def check_identity(config: Config) -> None:
    """Refuse to start with files that cannot be used; whether the directory answers is not asked."""
    tls, ldap = config.gate.tls, config.identity.ldap
    if tls.certificate_file:
        from sekimori.gate.listener import Listener

        Listener(
            Path(tls.certificate_file),
            Path(tls.key_file),
            client_ca_file=Path(tls.client_ca_file) if tls.client_ca_file else None,
            client_crl_file=Path(tls.client_crl_file) if tls.client_crl_file else None,
        )
    if ldap.ca_file:
        try:
            ssl.create_default_context(cafile=ldap.ca_file)
        except OSError as error:
            raise ConfigError(f"identity.ldap.ca_file = {ldap.ca_file!r} cannot be used.") from error
    if ldap.bind_password_file:
        _check_secret(Path(ldap.bind_password_file))


def _check_secret(file: Path) -> None:
    try:
        mode, text = file.stat().st_mode, file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"identity.ldap.bind_password_file = {str(file)!r} cannot be read.") from error
    if not text:
        raise ConfigError(f"identity.ldap.bind_password_file = {str(file)!r} is empty.")
    if mode & 0o007:
        raise ConfigError(
            f"identity.ldap.bind_password_file = {str(file)!r} can be read by everybody.",
            hint="chmod 0640, or 0600, and give it to the gate's user.",
        )
