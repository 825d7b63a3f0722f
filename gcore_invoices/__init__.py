"""Typed client for Gcore's ERP invoices: list, read and download, sync and async."""

from gcore_invoices._config import Timeouts
from gcore_invoices._version import __version__
from gcore_invoices.client import AsyncInvoicesClient, InvoicesClient
from gcore_invoices.errors import (
    APIConnectionError,
    APIProtocolError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    InvoicesError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    UnexpectedRedirectError,
    UsageError,
)
from gcore_invoices.events import Attempt, Call, Checkpoint, Response, RetryDecision, Walk, WalkReport
from gcore_invoices.hookspecs import hookimpl
from gcore_invoices.models import Invoice, MoveType, Page, PaymentState
from gcore_invoices.ordering import Order, SortKey, SortTerm
from gcore_invoices.pagination import AsyncInvoicePager, InvoicePager
from gcore_invoices.plugins.manager import PluginInfo
from gcore_invoices.plugins.ratelimit import RateLimit
from gcore_invoices.plugins.retries import RetryPolicy
from gcore_invoices.query import InvoiceQuery, QueryFields

__all__ = [
    "APIConnectionError",
    "APIProtocolError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncInvoicePager",
    "AsyncInvoicesClient",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "Call",
    "Checkpoint",
    "InternalServerError",
    "Invoice",
    "InvoicePager",
    "InvoiceQuery",
    "InvoicesClient",
    "InvoicesError",
    "MoveType",
    "NotFoundError",
    "Order",
    "Page",
    "PaginationError",
    "PaymentState",
    "PermissionDeniedError",
    "PluginInfo",
    "QueryFields",
    "RateLimit",
    "RateLimitError",
    "Response",
    "RetryDecision",
    "RetryPolicy",
    "SortKey",
    "SortTerm",
    "Timeouts",
    "UnexpectedRedirectError",
    "UsageError",
    "Walk",
    "WalkReport",
    "__version__",
    "hookimpl",
]
