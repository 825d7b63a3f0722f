# Generated. Do not edit: change openapi/ and run `make generate`.

import datetime
from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.erp_invoice_page import ErpInvoicePage
from ...models.error_body import ErrorBody
from ...models.move_type import MoveType
from ...models.order_by import OrderBy
from ...models.ordering import Ordering
from ...models.payment_state import PaymentState
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    billing_period_from_from: datetime.date | Unset = UNSET,
    billing_period_to_to: datetime.date | Unset = UNSET,
    invoice_date_from: datetime.date | Unset = UNSET,
    invoice_date_to: datetime.date | Unset = UNSET,
    client_id: int | Unset = UNSET,
    payer_id: int | Unset = UNSET,
    currency: str | Unset = UNSET,
    move_type: MoveType | Unset = UNSET,
    payment_state: PaymentState | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
    ordering: list[Ordering] | Unset = UNSET,
    order_by: list[OrderBy] | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_billing_period_from_from: str | Unset = UNSET
    if not isinstance(billing_period_from_from, Unset):
        json_billing_period_from_from = billing_period_from_from.isoformat()
    params["billing_period_from__from"] = json_billing_period_from_from

    json_billing_period_to_to: str | Unset = UNSET
    if not isinstance(billing_period_to_to, Unset):
        json_billing_period_to_to = billing_period_to_to.isoformat()
    params["billing_period_to__to"] = json_billing_period_to_to

    json_invoice_date_from: str | Unset = UNSET
    if not isinstance(invoice_date_from, Unset):
        json_invoice_date_from = invoice_date_from.isoformat()
    params["invoice_date__from"] = json_invoice_date_from

    json_invoice_date_to: str | Unset = UNSET
    if not isinstance(invoice_date_to, Unset):
        json_invoice_date_to = invoice_date_to.isoformat()
    params["invoice_date__to"] = json_invoice_date_to

    params["client_id"] = client_id

    params["payer_id"] = payer_id

    params["currency"] = currency

    json_move_type: str | Unset = UNSET
    if not isinstance(move_type, Unset):
        json_move_type = move_type.value

    params["move_type"] = json_move_type

    json_payment_state: str | Unset = UNSET
    if not isinstance(payment_state, Unset):
        json_payment_state = payment_state.value

    params["payment_state"] = json_payment_state

    params["limit"] = limit

    params["offset"] = offset

    json_ordering: list[str] | Unset = UNSET
    if not isinstance(ordering, Unset):
        json_ordering = []
        for ordering_item_data in ordering:
            ordering_item = ordering_item_data.value
            json_ordering.append(ordering_item)

    params["ordering"] = (
        UNSET if isinstance(json_ordering, Unset) else ",".join(map(str, json_ordering)) or UNSET
    )
    json_order_by: list[str] | Unset = UNSET
    if not isinstance(order_by, Unset):
        json_order_by = []
        for order_by_item_data in order_by:
            order_by_item = order_by_item_data.value
            json_order_by.append(order_by_item)

    params["order_by"] = (
        UNSET if isinstance(json_order_by, Unset) else ",".join(map(str, json_order_by)) or UNSET
    )

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/billing/org/v1/erp-invoices",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErpInvoicePage | ErrorBody | None:
    if response.status_code == 200:
        response_200 = ErpInvoicePage.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ErrorBody.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorBody.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = ErrorBody.from_dict(response.json())

        return response_403

    if response.status_code == 429:
        response_429 = ErrorBody.from_dict(response.json())

        return response_429

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErpInvoicePage | ErrorBody]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    billing_period_from_from: datetime.date | Unset = UNSET,
    billing_period_to_to: datetime.date | Unset = UNSET,
    invoice_date_from: datetime.date | Unset = UNSET,
    invoice_date_to: datetime.date | Unset = UNSET,
    client_id: int | Unset = UNSET,
    payer_id: int | Unset = UNSET,
    currency: str | Unset = UNSET,
    move_type: MoveType | Unset = UNSET,
    payment_state: PaymentState | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
    ordering: list[Ordering] | Unset = UNSET,
    order_by: list[OrderBy] | Unset = UNSET,
) -> Response[ErpInvoicePage | ErrorBody]:
    """List invoices, one page at a time

     Filters combine with AND. A page is cut by `limit` and `offset` from the ordered result; rows that
    appear or vanish between two requests shift the pages that follow.

    Args:
        billing_period_from_from (datetime.date | Unset):
        billing_period_to_to (datetime.date | Unset):
        invoice_date_from (datetime.date | Unset):
        invoice_date_to (datetime.date | Unset):
        client_id (int | Unset):
        payer_id (int | Unset):
        currency (str | Unset):
        move_type (MoveType | Unset): What the document is. An invoice asks for money, a refund
            gives it back.
        payment_state (PaymentState | Unset): How far the payment has come. `in_payment` is paid
            and waits for the bank's confirmation; `reversed` was settled by a credit note; `partial`
            does not say how much is left.
        limit (int | Unset):
        offset (int | Unset):
        ordering (list[Ordering] | Unset):
        order_by (list[OrderBy] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErpInvoicePage | ErrorBody]
    """

    kwargs = _get_kwargs(
        billing_period_from_from=billing_period_from_from,
        billing_period_to_to=billing_period_to_to,
        invoice_date_from=invoice_date_from,
        invoice_date_to=invoice_date_to,
        client_id=client_id,
        payer_id=payer_id,
        currency=currency,
        move_type=move_type,
        payment_state=payment_state,
        limit=limit,
        offset=offset,
        ordering=ordering,
        order_by=order_by,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    billing_period_from_from: datetime.date | Unset = UNSET,
    billing_period_to_to: datetime.date | Unset = UNSET,
    invoice_date_from: datetime.date | Unset = UNSET,
    invoice_date_to: datetime.date | Unset = UNSET,
    client_id: int | Unset = UNSET,
    payer_id: int | Unset = UNSET,
    currency: str | Unset = UNSET,
    move_type: MoveType | Unset = UNSET,
    payment_state: PaymentState | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
    ordering: list[Ordering] | Unset = UNSET,
    order_by: list[OrderBy] | Unset = UNSET,
) -> ErpInvoicePage | ErrorBody | None:
    """List invoices, one page at a time

     Filters combine with AND. A page is cut by `limit` and `offset` from the ordered result; rows that
    appear or vanish between two requests shift the pages that follow.

    Args:
        billing_period_from_from (datetime.date | Unset):
        billing_period_to_to (datetime.date | Unset):
        invoice_date_from (datetime.date | Unset):
        invoice_date_to (datetime.date | Unset):
        client_id (int | Unset):
        payer_id (int | Unset):
        currency (str | Unset):
        move_type (MoveType | Unset): What the document is. An invoice asks for money, a refund
            gives it back.
        payment_state (PaymentState | Unset): How far the payment has come. `in_payment` is paid
            and waits for the bank's confirmation; `reversed` was settled by a credit note; `partial`
            does not say how much is left.
        limit (int | Unset):
        offset (int | Unset):
        ordering (list[Ordering] | Unset):
        order_by (list[OrderBy] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErpInvoicePage | ErrorBody
    """

    return sync_detailed(
        client=client,
        billing_period_from_from=billing_period_from_from,
        billing_period_to_to=billing_period_to_to,
        invoice_date_from=invoice_date_from,
        invoice_date_to=invoice_date_to,
        client_id=client_id,
        payer_id=payer_id,
        currency=currency,
        move_type=move_type,
        payment_state=payment_state,
        limit=limit,
        offset=offset,
        ordering=ordering,
        order_by=order_by,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    billing_period_from_from: datetime.date | Unset = UNSET,
    billing_period_to_to: datetime.date | Unset = UNSET,
    invoice_date_from: datetime.date | Unset = UNSET,
    invoice_date_to: datetime.date | Unset = UNSET,
    client_id: int | Unset = UNSET,
    payer_id: int | Unset = UNSET,
    currency: str | Unset = UNSET,
    move_type: MoveType | Unset = UNSET,
    payment_state: PaymentState | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
    ordering: list[Ordering] | Unset = UNSET,
    order_by: list[OrderBy] | Unset = UNSET,
) -> Response[ErpInvoicePage | ErrorBody]:
    """List invoices, one page at a time

     Filters combine with AND. A page is cut by `limit` and `offset` from the ordered result; rows that
    appear or vanish between two requests shift the pages that follow.

    Args:
        billing_period_from_from (datetime.date | Unset):
        billing_period_to_to (datetime.date | Unset):
        invoice_date_from (datetime.date | Unset):
        invoice_date_to (datetime.date | Unset):
        client_id (int | Unset):
        payer_id (int | Unset):
        currency (str | Unset):
        move_type (MoveType | Unset): What the document is. An invoice asks for money, a refund
            gives it back.
        payment_state (PaymentState | Unset): How far the payment has come. `in_payment` is paid
            and waits for the bank's confirmation; `reversed` was settled by a credit note; `partial`
            does not say how much is left.
        limit (int | Unset):
        offset (int | Unset):
        ordering (list[Ordering] | Unset):
        order_by (list[OrderBy] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErpInvoicePage | ErrorBody]
    """

    kwargs = _get_kwargs(
        billing_period_from_from=billing_period_from_from,
        billing_period_to_to=billing_period_to_to,
        invoice_date_from=invoice_date_from,
        invoice_date_to=invoice_date_to,
        client_id=client_id,
        payer_id=payer_id,
        currency=currency,
        move_type=move_type,
        payment_state=payment_state,
        limit=limit,
        offset=offset,
        ordering=ordering,
        order_by=order_by,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    billing_period_from_from: datetime.date | Unset = UNSET,
    billing_period_to_to: datetime.date | Unset = UNSET,
    invoice_date_from: datetime.date | Unset = UNSET,
    invoice_date_to: datetime.date | Unset = UNSET,
    client_id: int | Unset = UNSET,
    payer_id: int | Unset = UNSET,
    currency: str | Unset = UNSET,
    move_type: MoveType | Unset = UNSET,
    payment_state: PaymentState | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
    ordering: list[Ordering] | Unset = UNSET,
    order_by: list[OrderBy] | Unset = UNSET,
) -> ErpInvoicePage | ErrorBody | None:
    """List invoices, one page at a time

     Filters combine with AND. A page is cut by `limit` and `offset` from the ordered result; rows that
    appear or vanish between two requests shift the pages that follow.

    Args:
        billing_period_from_from (datetime.date | Unset):
        billing_period_to_to (datetime.date | Unset):
        invoice_date_from (datetime.date | Unset):
        invoice_date_to (datetime.date | Unset):
        client_id (int | Unset):
        payer_id (int | Unset):
        currency (str | Unset):
        move_type (MoveType | Unset): What the document is. An invoice asks for money, a refund
            gives it back.
        payment_state (PaymentState | Unset): How far the payment has come. `in_payment` is paid
            and waits for the bank's confirmation; `reversed` was settled by a credit note; `partial`
            does not say how much is left.
        limit (int | Unset):
        offset (int | Unset):
        ordering (list[Ordering] | Unset):
        order_by (list[OrderBy] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErpInvoicePage | ErrorBody
    """

    return (
        await asyncio_detailed(
            client=client,
            billing_period_from_from=billing_period_from_from,
            billing_period_to_to=billing_period_to_to,
            invoice_date_from=invoice_date_from,
            invoice_date_to=invoice_date_to,
            client_id=client_id,
            payer_id=payer_id,
            currency=currency,
            move_type=move_type,
            payment_state=payment_state,
            limit=limit,
            offset=offset,
            ordering=ordering,
            order_by=order_by,
        )
    ).parsed
