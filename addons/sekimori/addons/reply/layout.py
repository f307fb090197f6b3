"""What the gate's own pages share: one layout, styles that the policy names by their hash, the time of Japan.

A page is served in the origin of the service that was asked for: it loads nothing and has no script.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_FOLDER = Path(__file__).parent / "templates"
_JST = timezone(timedelta(hours=9), "JST")
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Layout:
    """One kind of page; ``policy`` is its Content-Security-Policy, ``form`` where its forms may go."""

    def __init__(self, template: str, *styles: str, form: Literal["'none'", "'self'"]) -> None:
        style = "".join((_FOLDER / name).read_text("utf-8") for name in styles)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            f"base-uri 'none'; form-action {form}; frame-ancestors 'none'"
        )
        self._style = Markup(style)  # noqa: S704  (our own file, hashed in the policy above)
        self._template = _TEMPLATES.get_template(template)

    def render(self, **said: Any) -> bytes:
        """Return the page as UTF-8; everything that is said is escaped."""
        return self._template.render(style=self._style, **said).encode()


def in_japan(time_us: int) -> datetime:
    """Return an instant (microseconds, UTC) as people here read it."""
    return datetime.fromtimestamp(time_us // 1_000_000, tz=UTC).astimezone(_JST)
