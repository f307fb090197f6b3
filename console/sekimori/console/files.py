"""What machines fetch: health, proxy configuration, the CA certificate, the style sheet."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from sekimori.console.ports import HealthReport
from sekimori.console.render import STYLE
from sekimori.console.settings import ConsoleSettings

_SHORT = {"cache-control": "public, max-age=300"}


def router(settings: ConsoleSettings) -> APIRouter:
    """Return the routes of this module."""
    routes = APIRouter()
    authority = settings.authority

    @routes.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> Response:
        report = settings.health.report()
        return JSONResponse(health_json(report), 200 if report.ok else 503)

    @routes.api_route("/proxy.pac", methods=["GET", "HEAD"])
    def proxy_pac() -> Response:
        return Response(authority.proxy_pac(), headers=_SHORT, media_type="application/x-ns-proxy-autoconfig")

    @routes.api_route("/ca.pem", methods=["GET", "HEAD"])
    def ca_pem() -> Response:
        headers = {"content-disposition": 'attachment; filename="sekimori-ca.pem"'}
        return Response(authority.certificate_pem(), headers=headers, media_type="application/x-pem-file")

    @routes.api_route("/ca.cer", methods=["GET", "HEAD"])
    def ca_cer() -> Response:
        certificate = x509.load_pem_x509_certificate(authority.certificate_pem())
        headers = {"content-disposition": 'attachment; filename="sekimori-ca.cer"'}
        body = certificate.public_bytes(Encoding.DER)
        return Response(body, headers=headers, media_type="application/x-x509-ca-cert")

    @routes.api_route("/static/console.css", methods=["GET", "HEAD"])
    def style() -> Response:
        return Response(STYLE, headers=_SHORT, media_type="text/css; charset=utf-8")

    return routes


def health_json(report: HealthReport) -> dict[str, object]:
    """Write a report the way that probes and dashboards read it."""
    return {
        "ok": report.ok,
        "policy": {"hash": report.policy_hash, "age_s": round(report.policy_age_s, 3)},
        "spool": {"depth": report.spool_depth, "oldest_s": round(report.spool_oldest_s, 3)},
        "archivist": report.archivist,
    }
