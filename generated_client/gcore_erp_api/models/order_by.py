# Generated. Do not edit: change openapi/ and run `make generate`.

from enum import StrEnum


class OrderBy(StrEnum):
    AMOUNT_TOTAL_ASC = "amount_total.asc"
    AMOUNT_TOTAL_DESC = "amount_total.desc"
    CREATED_AT_ASC = "created_at.asc"
    CREATED_AT_DESC = "created_at.desc"
    ID_ASC = "id.asc"
    ID_DESC = "id.desc"
    INVOICE_DATE_ASC = "invoice_date.asc"
    INVOICE_DATE_DESC = "invoice_date.desc"
    NAME_ASC = "name.asc"
    NAME_DESC = "name.desc"

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def _missing_(cls, value: object) -> "OrderBy | None":
        # A value this contract does not know yet stays usable, as a member of its own.
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member
