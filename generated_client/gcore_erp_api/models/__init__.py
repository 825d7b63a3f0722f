# Generated. Do not edit: change openapi/ and run `make generate`.

"""Contains all the data models used in inputs/outputs"""

from .erp_invoice import ErpInvoice
from .erp_invoice_page import ErpInvoicePage
from .error_body import ErrorBody
from .move_type import MoveType
from .order_by import OrderBy
from .ordering import Ordering
from .payment_state import PaymentState

__all__ = (
    "ErpInvoice",
    "ErpInvoicePage",
    "ErrorBody",
    "MoveType",
    "OrderBy",
    "Ordering",
    "PaymentState",
)
