"""Answers that the sandbox does not give, and the live API may: put in its place while recording."""

from __future__ import annotations

import json
from typing import Any

from gcore_invoices.sandbox import Response


def json_answer(status: int, body: Any, **headers: str) -> Response:
    """An answer with a JSON body."""
    data = json.dumps(body, separators=(",", ":")).encode()
    return _answer(status, "application/json", data, headers)


def html_answer(status: int, body: str, **headers: str) -> Response:
    """What a proxy in front of the API says."""
    return _answer(status, "text/html", body.encode(), headers)


def _answer(status: int, kind: str, body: bytes, headers: dict[str, str]) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"Content-Type": kind, "Content-Length": str(len(body))} | named, body)


UNAVAILABLE = json_answer(502, {"detail": "PDF temporarily unavailable"})
TOO_MANY = json_answer(429, {"detail": "Request was throttled."}, Retry_After="0")
