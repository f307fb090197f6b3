"""What people read: how to use the gate, why something was refused, where to apply."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import APIRouter
from starlette.responses import Response

from sekimori.addons.reply import quotes
from sekimori.console.render import fault, page
from sekimori.console.settings import ConsoleSettings
from sekimori.policy.reasons import explain

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,63}")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_JST = timezone(timedelta(hours=9), "JST")


def router(settings: ConsoleSettings) -> APIRouter:
    """Return the routes of this module."""
    routes = APIRouter()

    @routes.api_route("/", methods=["GET", "HEAD"])
    def landing() -> Response:
        return page(
            "landing.html",
            proxy_scheme=settings.proxy_scheme,
            proxy_host=settings.proxy_host,
            proxy_port=settings.proxy_port,
            base=settings.public_url.rstrip("/"),
            fingerprint=fingerprint(settings.authority.certificate_pem()),
        )

    @routes.api_route("/apply", methods=["GET", "HEAD"])
    def apply(service: str = "", ref: str = "") -> Response:
        # Shown only if it has the form of what we hand out ourselves: an address that somebody sends
        # around must not put its words on our page.
        known = settings.service_name(service) if _SERVICE.fullmatch(service) else None
        reference = ref if _REFERENCE.fullmatch(ref) else ""
        return page("apply.html", contact=settings.contact, service=known or "", reference=reference)

    @routes.api_route("/refusals/{reference}", methods=["GET", "HEAD"])
    def refusal(reference: str) -> Response:
        note = settings.refusals.note(reference) if _REFERENCE.fullmatch(reference) else None
        if note is None:
            return fault(404)
        return page(
            "refusal.html",
            reference=reference,
            code=note.code.value,
            text=explain(note.code),
            quotes=quotes(note.code),
            when=_when(note.time_us),
        )

    return routes


def fingerprint(pem: bytes) -> str:
    """Return the SHA-256 of a certificate as operating systems show it."""
    return x509.load_pem_x509_certificate(pem).fingerprint(SHA256()).hex(":").upper()


def day_of(time_us: int) -> str:
    """Return the day in Japan of an instant, for people and machines alike."""
    return f"{datetime.fromtimestamp(time_us // 1_000_000, tz=UTC).astimezone(_JST):%Y-%m-%d}"


def _when(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // 1_000_000, tz=UTC).astimezone(_JST)
    return f"{moment:%Y-%m-%d %H:%M:%S} JST"
