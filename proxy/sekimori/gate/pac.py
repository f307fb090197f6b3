"""The proxy auto-configuration file: which requests a browser brings to the gate.

Knows the PAC dialect of JavaScript. It spares the gate what it would only tunnel; it is a convenience and no
control, since a client may ignore it: what may leave the building is for the firewall to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal

from sekimori.errors import ConfigError

MEDIA_TYPE = "application/x-ns-proxy-autoconfig"

_HOST_PORT = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")

_TEMPLATE = """\
// Made by Sekimori. There is no way around the proxy for the hosts below: if it does not answer, they do not.
var PROXY = %(proxy)s;
var EVERYTHING = %(everything)s;
var NAMES = %(names)s;
var PARENTS = %(parents)s;
var PATTERNS = %(patterns)s;

function has(table, name) {
  return Object.prototype.hasOwnProperty.call(table, name);
}

function isLocal(host) {
  return host.indexOf(".") < 0 && host.indexOf(":") < 0
    || host === "localhost" || /\\.localhost$/.test(host)
    || /^(127|10)\\.\\d+\\.\\d+\\.\\d+$/.test(host)
    || /^192\\.168\\.\\d+\\.\\d+$/.test(host)
    || /^169\\.254\\.\\d+\\.\\d+$/.test(host)
    || /^172\\.(1[6-9]|2\\d|3[01])\\.\\d+\\.\\d+$/.test(host)
    || /^\\[?(::1|f[cd][0-9a-f]{2}:.*|fe[89ab][0-9a-f]:.*)\\]?$/.test(host);
}

function isListed(host) {
  if (has(NAMES, host)) return true;
  for (var name = host; name; ) {
    if (has(PARENTS, name)) return true;
    var dot = name.indexOf(".");
    name = dot < 0 ? "" : name.substring(dot + 1);
  }
  for (var i = 0; i < PATTERNS.length; i++) {
    if (new RegExp(PATTERNS[i]).test(host)) return true;
  }
  return false;
}

function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/\\.$/, "");
  if (isListed(host)) return PROXY;
  if (EVERYTHING && !isLocal(host)) return PROXY;
  return "DIRECT";
}
"""


def pac_file(
    proxy_host_port: str,
    rules: Iterable[tuple[str, bool]],
    everything: bool,  # noqa: FBT001
    *,
    scheme: Literal["PROXY", "HTTPS"] = "PROXY",
) -> str:
    """Return a PAC file that sends the hosts of ``rules``, or everything but local names, to the proxy.

    A rule is a name and whether its subdomains belong to it; a ``*`` stands for a part of one label.
    ``HTTPS`` is for a gate that speaks TLS to its clients.
    """
    if not _HOST_PORT.fullmatch(proxy_host_port) or int(proxy_host_port.rpartition(":")[2]) > 65535:
        raise ConfigError(f"{proxy_host_port!r} is not HOST:PORT, so no PAC file can name it.")
    known = sorted({(name.lower(), suffix) for name, suffix in rules})
    plain = [(name, suffix) for name, suffix in known if "*" not in name]
    return _TEMPLATE % {
        "proxy": _script(f"{scheme} {proxy_host_port}"),
        "everything": _script(everything),
        "names": _script(dict.fromkeys((name for name, suffix in plain if not suffix), 1)),
        "parents": _script(dict.fromkeys((name for name, suffix in plain if suffix), 1)),
        "patterns": _script([_pattern(name, suffix=suffix) for name, suffix in known if "*" in name]),
    }


def _pattern(name: str, *, suffix: bool) -> str:
    labels = "[^.]+".join(re.escape(part) for part in name.split("*"))
    return f"^(.*\\.)?{labels}$" if suffix else f"^{labels}$"


def _script(value: object) -> str:
    """Return ``value`` as a JavaScript literal that is also harmless inside HTML."""
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
