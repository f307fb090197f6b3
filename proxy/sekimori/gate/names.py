"""Which names an issuing certificate must permit so that every intercepted host is covered, and no more.

Knows how RFC 5280 reads a dNSName constraint and which cloud regions a wildcard rule stands for. Certificates
are made in ``ca``; which hosts are intercepted is decided by policy and catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

Rule = tuple[str, bool]
"""A host name and whether its subdomains belong to it; one ``*`` label stands for any single label."""


def _numbered(areas: dict[str, str], separator: str = "-") -> tuple[str, ...]:
    return tuple(
        f"{area}{separator}{number}" for area, numbers in areas.items() for number in numbers.split()
    )


# A wildcard rule of a cloud stands for its regions. One that opens later is refused until it stands here or
# has a rule of its own: the other way round, permitting amazonaws.com, would let a stolen issuing key pose as
# every bucket, queue and load balancer of every customer of that cloud.

# "Regional endpoints", AWS General Reference (docs.aws.amazon.com/general/latest/gr/rande.html).
AWS_REGIONS = _numbered(
    {
        "af-south": "1", "ap-east": "1 2", "ap-northeast": "1 2 3", "ap-south": "1 2",
        "ap-southeast": "1 2 3 4 5 6 7", "ca-central": "1", "ca-west": "1", "eu-central": "1 2",
        "eu-north": "1", "eu-south": "1 2", "eu-west": "1 2 3", "il-central": "1", "me-central": "1",
        "me-south": "1", "mx-central": "1", "sa-east": "1", "us-east": "1 2", "us-gov-east": "1",
        "us-gov-west": "1", "us-west": "1 2",
    }
)  # fmt: skip

# "Regions and zones", Google Cloud documentation (cloud.google.com/compute/docs/regions-zones).
GOOGLE_REGIONS = (
    "eu",
    "us",
    *_numbered(
        {
            "africa-south": "1", "asia-east": "1 2", "asia-northeast": "1 2 3", "asia-south": "1 2",
            "asia-southeast": "1 2 3", "australia-southeast": "1 2", "europe-central": "2",
            "europe-north": "1 2", "europe-southwest": "1", "europe-west": "1 2 3 4 6 8 9 10 12",
            "me-central": "1 2", "me-west": "1",
            "northamerica-northeast": "1 2", "northamerica-south": "1", "southamerica-east": "1",
            "southamerica-west": "1", "us-central": "1", "us-east": "1 4 5", "us-south": "1",
            "us-west": "1 2 3 4",
        },
        separator="",
    ),
)  # fmt: skip

_AWS_CHINA_REGIONS = ("cn-north-1", "cn-northwest-1")

# As their documentation of model endpoints names them in 2025; what a rule of its own adds is added to these.
_REGIONS = {
    ".amazonaws.com": AWS_REGIONS,
    ".api.aws": AWS_REGIONS,
    ".amazonaws.com.cn": _AWS_CHINA_REGIONS,
    ".googleapis.com": GOOGLE_REGIONS,
    ".onstackit.cloud": ("eu01", "eu02"),
    ".volces.com": ("ap-southeast-1", "cn-beijing", "cn-guangzhou", "cn-shanghai"),
    ".baidubce.com": ("bd", "bj", "fwh", "gz", "hkg", "su"),
}

_LABEL = "[a-z0-9_-]{1,63}"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+")


@dataclass(frozen=True, slots=True)
class Permitted:
    """The smallest set of names that covers the rules, and the rules that no name can cover."""

    names: frozenset[str]
    uncovered: tuple[str, ...]


def permitted_names(rules: Iterable[Rule]) -> Permitted:
    """Turn interception rules into dNSName constraints.

    A permitted ``example.com`` covers ``example.com`` and everything under it (RFC 5280, 4.2.1.10), whether
    the rule meant the name alone or not: the constraint bounds the damage of a stolen key, the interception
    list decides what is minted.
    """
    names: set[str] = set()
    uncovered = []
    for name, _suffix in rules:
        expanded = list(_expand(name))
        names.update(expanded)
        if not expanded:
            uncovered.append(name)
    return Permitted(frozenset(n for n in names if not _has_parent(n, names)), tuple(sorted(set(uncovered))))


def is_within(name: str, names: Collection[str]) -> bool:
    """Tell whether a certificate that permits ``names`` may vouch for ``name``."""
    return any(candidate in names for candidate in lineage(name))


def lineage(name: str) -> Iterator[str]:
    """Yield the name and its parents, nearest first: ``a.b.c``, ``b.c``, ``c``."""
    while name:
        yield name
        name = name.partition(".")[2]


def _expand(name: str) -> Iterator[str]:
    """Yield the names that a rule stands for; a top-level domain or an unbounded wildcard stands for none."""
    yield from filter(_NAME.fullmatch, _candidates(name))


def _candidates(name: str) -> Iterable[str]:
    if "*" not in name:
        return (name,)
    if name.startswith("*."):
        return (name.removeprefix("*."),)
    regions = next((regions for parent, regions in _REGIONS.items() if name.endswith(parent)), ())
    return (name.replace("*", region, 1) for region in regions)


def _has_parent(name: str, names: Collection[str]) -> bool:
    return is_within(name.partition(".")[2], names)
