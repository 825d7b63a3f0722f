# Generated. Do not edit: change openapi/ and run `make generate`.
# openapi-python-client 0.29.1
# erp-invoices.yaml sha256 e92afdc11874b4cdaf64ad8837f25e308b80115ca195728c5ff6d245b081c5ce

"""A client library for accessing Gcore ERP invoices"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)
