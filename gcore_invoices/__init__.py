"""Typed client for Gcore's ERP invoices: list, read and download, sync and async."""

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
from gcore_invoices.events import WalkReport
from gcore_invoices.models import Invoice, MoveType, Page, PaymentState
from gcore_invoices.ordering import Order, SortKey, SortTerm
from gcore_invoices.pagination import AsyncInvoicePager, InvoicePager
from gcore_invoices.query import InvoiceQuery, QueryFields

__all__ = [
    "APIConnectionError",
    "APIProtocolError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncInvoicePager",
    "AsyncInvoicesClient",
    "AuthenticationError",
    "BadRequestError",
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
    "QueryFields",
    "RateLimitError",
    "SortKey",
    "SortTerm",
    "UnexpectedRedirectError",
    "UsageError",
    "WalkReport",
    "__version__",
]
