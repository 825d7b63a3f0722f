# Generated. Do not edit: change openapi/ and run `make generate`.

from enum import StrEnum


class PaymentState(StrEnum):
    IN_PAYMENT = "in_payment"
    NOT_PAID = "not_paid"
    PAID = "paid"
    PARTIAL = "partial"
    REVERSED = "reversed"

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def _missing_(cls, value: object) -> "PaymentState | None":
        # A value this contract does not know yet stays usable, as a member of its own.
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member
