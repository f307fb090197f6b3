"""Files and register together: what both say the file says, and no grant keeps another from compiling."""

from __future__ import annotations

from typing import Any

import pytest

from policy.build import grant, service
from sekimori.policy.applied import Document
from sekimori.policy.joining import join
from sekimori.policy.model import Grant, Group, Rules, Service


def document(
    services: list[Service], grants: list[Grant], groups: tuple[Group, ...] = (), **more: Any
) -> Document:
    return Document(
        services={one.id: one for one in services},
        grants={one.id: one for one in grants},
        groups={one.name: one for one in groups},
        **more,
    )


FILES = document([service()], [grant()], (Group(name="g", members=("sasaki",)),), file="a.yaml")


@pytest.mark.parametrize(
    ("register", "left"),
    [
        pytest.param(document([], [grant(id="r-1")]), {}, id="a grant on a service of a file"),
        pytest.param(document([service()], []), {"service llm"}, id="a service that a file says too"),
        pytest.param(document([], [grant(purpose="x")]), {"grant g-1"}, id="a grant that a file says too"),
        pytest.param(
            document([service(id="b")], [grant(id="r-1", service="b")]),
            {"service b", "grant r-1"},
            id="a service on a host of the file's",
        ),
        pytest.param(
            document([service(id="b", hosts=("b.example",))], [grant(id="r-1", service="b")]),
            {},
            id="a service of its own",
        ),
        pytest.param(document([], [grant(id="r-1", max_class=2)]), {"grant r-1"}, id="no evidence"),
        pytest.param(document([], [grant(id="r-1", groups=("g",))]), {"grant r-1"}, id="own use by a group"),
    ],
)
def test_what_does_not_hold_beside_the_files_is_left_out_and_named(
    register: Document, left: set[str]
) -> None:
    joined, problems = join(FILES, register, Rules())

    assert {f"{problem.kind} {problem.id}" for problem in problems} == set(left)
    assert joined.services["llm"] == FILES.services["llm"]
    assert joined.grants["g-1"] == FILES.grants["g-1"]
    kept = {name for name in register.grants if f"grant {name}" not in left}
    assert set(joined.grants) == {"g-1", *kept}
    assert joined.unsigned


def test_the_register_alone_leaves_no_mark_of_an_unsigned_file() -> None:
    joined, _ = join(Document(unsigned=False), document([service()], [grant()]), Rules())
    assert not joined.unsigned
