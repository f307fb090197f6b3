"""What keeps the key-encryption keys, as ``[keys]`` says."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sekimori.cli.config_storage import Keys
from sekimori.cli.places import Places
from sekimori.errors import ConfigError, KeyAccessError

if TYPE_CHECKING:
    from sekimori.vault.kek import KekProvider

PASSPHRASE, PIN, TOKEN = "kek-passphrase", "kek-pin", "kek-token"
"""What the service manager's credentials are called, where no file is named."""

_MAX_SECRET_BYTES = 4096


def provider(places: Places) -> KekProvider:
    """Return what keeps the key-encryption keys of an installation."""
    settings = places.keeping or Keys()
    return _MAKERS[settings.provider](settings, _folder(places, settings))


def _folder(places: Places, settings: Keys) -> Path:
    folder = Path(settings.folder) if settings.folder else places.keys / "archive" / "kek"
    if folder.resolve().is_relative_to(places.data.resolve()):
        raise ConfigError(
            f"keys.folder {folder} lies inside the data folder {places.data}.",
            hint="A backup of the data must not hold what opens it.",
        )
    return folder


def _file(_: Keys, folder: Path) -> KekProvider:
    from sekimori.vault.providers.file import FileKek

    return FileKek(folder)


def _passphrase(settings: Keys, folder: Path) -> KekProvider:
    from sekimori.vault.providers.passphrase import PassphraseKek

    return PassphraseKek(folder, _secret(settings.passphrase_file, PASSPHRASE, "keys.passphrase_file")())


def _pkcs11(settings: Keys, _: Path) -> KekProvider:
    try:
        from sekimori.vault.providers.pkcs11 import Pkcs11Kek
    except ImportError as error:
        raise ConfigError(
            'provider = "pkcs11" needs a package that is not installed.',
            hint="Install it with: pip install 'sekimori[pkcs11]'",
        ) from error
    pin = _secret(settings.pkcs11_pin_file, PIN, "keys.pkcs11_pin_file")
    return Pkcs11Kek(Path(settings.pkcs11_module), settings.pkcs11_token, pin)


def _transit(settings: Keys, _: Path) -> KekProvider:
    import ssl

    from sekimori.vault.providers.transit import TransitKek, TransitSettings

    tls = ssl.create_default_context(cafile=settings.transit_ca_file) if settings.transit_ca_file else None
    where = TransitSettings(settings.transit_url, settings.transit_mount, settings.transit_namespace, tls=tls)
    return TransitKek(where, _secret(settings.transit_token_file, TOKEN, "keys.transit_token_file"))


_MAKERS: dict[str, Callable[[Keys, Path], KekProvider]] = {
    "file": _file,
    "passphrase": _passphrase,
    "pkcs11": _pkcs11,
    "transit": _transit,
}


def _secret(named: str, credential: str, key: str) -> Callable[[], str]:
    """Return what reads a secret anew each time: an agent may renew it."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not named and not credentials:
        raise ConfigError(
            f"{key} names no file.", hint=f"Name one, or give the service the credential {credential}."
        )
    path = Path(named) if named else Path(credentials or "") / credential
    # The service manager guards its folder by itself, also where mode bits look open.
    others = stat.S_IRWXO if not named else stat.S_IRWXO | stat.S_IRWXG
    return lambda: _read(path, others)


def _read(path: Path, others: int) -> str:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & others:
                raise KeyAccessError(f"{path} can be reached by other users.", hint=f"Run: chmod 600 {path}")
            text = file.read(_MAX_SECRET_BYTES + 1)
        if len(text) > _MAX_SECRET_BYTES:
            raise KeyAccessError(f"{path} is too long for a secret.")
        return text.decode().rstrip("\r\n")
    except OSError as error:
        raise KeyAccessError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise KeyAccessError(f"{path} holds no text.") from error
