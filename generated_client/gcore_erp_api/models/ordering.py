# Generated. Do not edit: change openapi/ and run `make generate`.

from enum import StrEnum


class Ordering(StrEnum):
    AMOUNT_TOTAL = "amount_total"
    AMOUNT_TOTAL_DESC = "-amount_total"
    CREATED_AT = "created_at"
    CREATED_AT_DESC = "-created_at"
    ID = "id"
    ID_DESC = "-id"
    INVOICE_DATE = "invoice_date"
    INVOICE_DATE_DESC = "-invoice_date"
    NAME = "name"
    NAME_DESC = "-name"

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def _missing_(cls, value: object) -> "Ordering | None":
        # A value this contract does not know yet stays usable, as a member of its own.
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member
