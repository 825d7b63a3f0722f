# Generated. Do not edit: change openapi/ and run `make generate`.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="ErrorBody")


@_attrs_define
class ErrorBody:
    """What an error says. No schema is published for this resource, so every field is optional and others may come.

    Attributes:
        detail (str | Unset): One sentence for a person.
        message (str | Unset): The same, in the dialect of sibling products.
        exception_class (str | Unset): Name of the server's error type.
        request_id (str | Unset): What to quote to support.
    """

    detail: str | Unset = UNSET
    message: str | Unset = UNSET
    exception_class: str | Unset = UNSET
    request_id: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        detail = self.detail

        message = self.message

        exception_class = self.exception_class

        request_id = self.request_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if detail is not UNSET:
            field_dict["detail"] = detail
        if message is not UNSET:
            field_dict["message"] = message
        if exception_class is not UNSET:
            field_dict["exception_class"] = exception_class
        if request_id is not UNSET:
            field_dict["request_id"] = request_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        detail = d.pop("detail", UNSET)

        message = d.pop("message", UNSET)

        exception_class = d.pop("exception_class", UNSET)

        request_id = d.pop("request_id", UNSET)

        error_body = cls(
            detail=detail,
            message=message,
            exception_class=exception_class,
            request_id=request_id,
        )

        error_body.additional_properties = d
        return error_body

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
