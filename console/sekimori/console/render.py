"""Turns templates and values into pages; everything is escaped, nothing may be undefined."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_HERE = Path(__file__).parent
STYLE = (_HERE / "static" / "console.css").read_bytes()

_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# What a person is told when there is no page to show.
_FAULTS = {
    400: ("要求を読み取れませんでした。", "The request could not be read."),
    403: ("この操作は受け付けられません。", "This action is not accepted."),
    404: ("ページが見つかりません。", "There is no such page."),
    405: ("この操作はできません。", "This cannot be done here."),
    429: (
        "試行回数が多すぎます。しばらくしてからお試しください。",
        "Too many attempts. Please try again later.",
    ),
    500: (
        "内部の誤りがありました。管理者に連絡してください。",
        "Something broke inside. Please tell the administrator.",
    ),
    503: (
        "ただいま応答できません。しばらくしてからお試しください。",
        "This cannot be answered now. Please try again later.",
    ),
}


def page(
    template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """Render one template as an HTML answer."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), status, headers)


def fault(status: int, *, headers: dict[str, str] | None = None) -> HTMLResponse:
    """Say what went wrong; never more than the status tells."""
    known = _FAULTS.get(status) or (HTTPStatus(status).phrase, HTTPStatus(status).phrase)
    return page("fault.html", status=status, headers=headers, ja=known[0], en=known[1])
