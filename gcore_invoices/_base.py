"""What both clients share: everything but the doing."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, ParamSpec, Self, TypeVar, Unpack

from msgspec.structs import replace

from gcore_invoices._checks import is_number
from gcore_invoices._config import SortParameter, Timeouts, resolve
from gcore_invoices._connect import Connection, Network
from gcore_invoices._flow import Session
from gcore_invoices._walk import MAX_CONCURRENCY, Limits
from gcore_invoices.errors import UsageError
from gcore_invoices.plugins.builtin import built_in_plugins
from gcore_invoices.plugins.logging import log_to_stderr
from gcore_invoices.plugins.manager import PluginInfo, Plugins
from gcore_invoices.plugins.metrics import Metrics
from gcore_invoices.plugins.retries import RetryPolicy
from gcore_invoices.query import InvoiceQuery, QueryFields

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    import httpx

    from gcore_invoices._connect import ClientCert
    from gcore_invoices.events import Checkpoint


P = ParamSpec("P")
TransportT = TypeVar("TransportT")
TokenT = TypeVar("TokenT")
PagerT = TypeVar("PagerT")

_TIMEOUTS = Timeouts()
_RETRY = RetryPolicy()


def forgets_arguments(init: Callable[P, None]) -> Callable[P, None]:
    """Leave out of an error the frames that hold a client's arguments: the key is one of them."""

    @wraps(init)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            init(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised again, whatever it is
            kwargs.clear()
            args = ()  # type: ignore[assignment]
            error.__context__ = None  # so do the frames of what it came of
            raise error.with_traceback(None) from error.__cause__

    return wrapper


class BaseClient(Generic[TransportT, TokenT, PagerT]):
    """A client without its driver."""

    _kinds: ClassVar[tuple[Any, Any, Any]]
    """The transports that may be given, that is made if none is, and that signs."""
    _pager: Callable[..., PagerT]
    _awaits: ClassVar[bool]
    """Whether a login function may be async."""
    _run: Callable[..., Any]
    _session: Session
    _connection: Connection[Any]
    _plugins: Plugins
    _is_view = False

    @forgets_arguments
    def __init__(
        self,
        *,
        api_key: str | None = None,
        bearer_token: str | Callable[[], TokenT] | None = None,
        base_url: str | None = None,
        sort_parameter: SortParameter = "ordering",
        timeouts: Timeouts = _TIMEOUTS,
        retry: RetryPolicy = _RETRY,
        concurrency: int = 4,
        plugins: Sequence[object] = (),
        disabled_plugins: Iterable[str] = (),
        strict_plugins: bool = False,
        proxy: str | httpx.Proxy | None = None,
        trust_env: bool = True,
        ca_bundle: str | os.PathLike[str] | None = None,
        client_cert: ClientCert | None = None,
        transport: TransportT | None = None,
    ) -> None:
        settings = resolve(
            api_key=api_key, bearer_token=bearer_token, base_url=base_url, sort_parameter=sort_parameter
        )
        _check(timeouts, retry, concurrency)
        log_to_stderr()
        self._plugins = Plugins(plugins, built_in_plugins(), disabled=disabled_plugins, strict=strict_plugins)
        self._session = Session(settings, self._plugins.hooks, timeouts, retry, concurrency)
        # A token that is text stands in the credential, and nowhere else.
        self._ask_for_token = bearer_token if callable(bearer_token) else None
        if not self._awaits and _is_async(self._ask_for_token):
            raise UsageError("bearer_token is an async function: use AsyncInvoicesClient, or a plain one.")
        network = Network(proxy=proxy, trust_env=trust_env, ca_bundle=ca_bundle, client_cert=client_cert)
        given, made, signing = self._kinds
        network.give_way_to(transport, given)

        def connect() -> Any:
            from gcore_invoices._deadline import adapt  # noqa: PLC0415 - its docstring says why

            inner: Any = network.transport(made, settings.base_url) if transport is None else transport
            adapt(inner)
            return signing(inner, settings.credential, settings.base_url)

        # Transports, not httpx's clients: cookies, redirects and the environment are no business of a call.
        self._connection = Connection(connect)
        self._begin()

    def _begin(self) -> None:
        """Make what this flavour needs besides."""

    def list(
        self,
        query: InvoiceQuery | None = None,
        /,
        *,
        max_items: int | None = None,
        strict: bool = False,
        resume: Checkpoint | str | None = None,
        **fields: Unpack[QueryFields],
    ) -> PagerT:
        """Invoices that match, as a lazy, re-iterable list.

        Args:
            query: A prebuilt query,
            max_items: Stop after so many invoices.
            strict: Always make a second pass, by id, where the sort key can change; see docs/pagination.md.
            resume: Go on after this place of an earlier walk over the same list, ordered by `id`.
            **fields: or the fields of `InvoiceQuery`.

        Raises:
            UsageError: A field is unknown or its value is not what it takes, or the list cannot be resumed.
        """
        limits = Limits(max_items=max_items, strict=strict, resume=resume)
        return self._pager(InvoiceQuery.of(query, fields), limits, self._session, self._run)

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """The active plugins, in the order they are called."""
        return self._plugins.active

    @property
    def inactive_plugins(self) -> tuple[PluginInfo, ...]:
        """Plugins that were blocked by name, or could not be used and why."""
        return self._plugins.inactive

    @property
    def metrics(self) -> Metrics:
        """What this client has done so far, in numbers: `client.metrics.snapshot()`.

        Raises:
            UsageError: The plugin `metrics` is blocked, or replaced by another of its name.
        """
        found = self._plugins.find(Metrics)
        if found is None:
            raise UsageError(
                "This client keeps no metrics: its plugin 'metrics' is blocked, by disabled_plugins or by "
                "GCORE_INVOICES_DISABLED_PLUGINS, or another has its name; see client.inactive_plugins."
            )
        return found  # type: ignore[no-any-return]

    def with_options(
        self,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        concurrency: int | None = None,
    ) -> Self:
        """A view of this client with other limits, which shares its connections and plugins.

        Closing the view does nothing; closing the client closes the view too.

        Args:
            timeouts: Instead of the client's.
            retry: Instead of the client's.
            concurrency: Instead of the client's.

        Raises:
            UsageError: An argument is not what it takes.

        Example:
            `client.with_options(timeouts=Timeouts(deadline=10)).get(42)`
        """
        timeouts = self._session.timeouts if timeouts is None else timeouts
        retry = self._session.retry if retry is None else retry
        concurrency = self._session.concurrency if concurrency is None else concurrency
        _check(timeouts, retry, concurrency)
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._is_view = True
        view._session = replace(self._session, timeouts=timeouts, retry=retry, concurrency=concurrency)
        return view

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)  # none if its making failed
        return f"<{type(self).__name__} of {session.settings.base_url if session else 'nothing'}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A client cannot be pickled or copied, because it holds the key: make one where it is needed."
        )


def _is_async(function: object) -> bool:
    """Also of an object that is called like one."""
    return any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004


def _check(timeouts: object, retry: object, concurrency: object) -> None:
    if not is_number(concurrency, whole=True) or not 1 <= concurrency <= MAX_CONCURRENCY:
        raise UsageError(f"concurrency takes an integer from 1 to {MAX_CONCURRENCY}, not {concurrency!r}.")
    for name, value, kind in (("timeouts", timeouts, Timeouts), ("retry", retry, RetryPolicy)):
        if not isinstance(value, kind):
            raise UsageError(f"{name} takes {kind.__name__}(…), not {value!r}.")
