# Generated. Do not edit: change openapi/ and run `make generate`.
# openapi-python-client 0.29.1
# erp-invoices.yaml sha256 189bbfad07522e777f74b0a377b985c8f5be5044a935e38788b5a64afda6b7cb

"""A client library for accessing Gcore ERP invoices"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)
