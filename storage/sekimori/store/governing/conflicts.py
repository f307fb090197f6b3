"""Why a change was not made though nothing forbids it: somebody else was first, or it was made before."""

from __future__ import annotations

from sekimori.errors import StateError, UsageError


class VersionConflict(StateError):  # noqa: N818 - a clash of two people, named as the API names it
    """Somebody else changed it first; ``found`` is its version now, 0 where there is none."""

    def __init__(self, noun: str, id_: str, *, expected: int, found: int) -> None:
        super().__init__(
            f"{noun} {id_!r} has version {found}, not {expected}: somebody else changed it first.",
            hint="Read it again, then decide.",
        )
        self.noun, self.id, self.expected, self.found = noun, id_, expected, found


class OnceConflict(UsageError):  # noqa: N818 - as above
    """A key for requests that may come twice was used for another request."""

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key was used for another request.", hint="Draw a new key for each request."
        )
