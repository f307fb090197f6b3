"""``sekimori ca``: the certificate authority that clients must trust."""

from __future__ import annotations

import sys

from sekimori.cli.command_map import command_group
from sekimori.cli.options import DEFAULT_DATA, DEFAULT_KEYS, Data, Keys, installation

group = command_group(
    "The certificate authority that clients must trust.",
    "sekimori ca export > sekimori-ca.pem",
)


@group.callback()
def _group() -> None:
    """Keep ``export`` a command of its own."""


@group.command("export")
def export(data: Data = DEFAULT_DATA, keys: Keys = DEFAULT_KEYS) -> None:
    """Print the CA certificate, PEM, on standard output.

    \b
    Example:
      sekimori ca export > sekimori-ca.pem
      curl --cacert sekimori-ca.pem --proxy http://127.0.0.1:8080 https://api.openai.com/v1/models
    """
    from sekimori.gate.keyfiles import export_root, own_folder

    places = installation(data, keys)
    sys.stdout.write(export_root(own_folder(places.keys)).decode("ascii"))
