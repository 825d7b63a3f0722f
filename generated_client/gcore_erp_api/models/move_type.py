# Generated. Do not edit: change openapi/ and run `make generate`.

from enum import StrEnum


class MoveType(StrEnum):
    OUT_INVOICE = "out_invoice"
    OUT_REFUND = "out_refund"

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def _missing_(cls, value: object) -> "MoveType | None":
        # A value this contract does not know yet stays usable, as a member of its own.
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member
