"""What both clients share: everything but the doing."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, NoReturn, ParamSpec, Self

from msgspec.structs import replace

from gcore_invoices._checks import is_number
from gcore_invoices._config import Timeouts
from gcore_invoices._flow import Session
from gcore_invoices._walk import MAX_CONCURRENCY
from gcore_invoices.errors import UsageError
from gcore_invoices.plugins.builtin import built_in_plugins
from gcore_invoices.plugins.logging import log_to_stderr
from gcore_invoices.plugins.manager import PluginInfo, Plugins
from gcore_invoices.plugins.metrics import Metrics
from gcore_invoices.plugins.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gcore_invoices._config import Settings


P = ParamSpec("P")


def forgets_arguments(init: Callable[P, None]) -> Callable[P, None]:
    """Leave out of an error the frames that hold a client's arguments: the key is one of them."""

    @wraps(init)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            init(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised again, whatever it is
            kwargs.clear()
            raise error.with_traceback(None) from error.__cause__

    return wrapper


class BaseClient:
    """A client without its driver."""

    _session: Session
    _plugins: Plugins
    _is_view = False

    def _configure(
        self,
        settings: Settings,
        *,
        timeouts: Timeouts,
        retry: RetryPolicy,
        concurrency: int,
        plugins: Sequence[object],
        disabled_plugins: Iterable[str],
        strict_plugins: bool,
    ) -> None:
        log_to_stderr()
        _check(timeouts, retry, concurrency)
        self._plugins = Plugins(plugins, built_in_plugins(), disabled=disabled_plugins, strict=strict_plugins)
        self._session = Session(settings, self._plugins.hooks, timeouts, retry, concurrency)

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
            UsageError: The plugin `metrics` is blocked.
        """
        found = self._plugins.find(Metrics)
        if found is None:
            raise UsageError(
                "This client keeps no metrics: its plugin 'metrics' is blocked, by disabled_plugins or by "
                "GCORE_INVOICES_DISABLED_PLUGINS."
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


def _check(timeouts: object, retry: object, concurrency: object) -> None:
    if not is_number(concurrency, whole=True) or not 1 <= concurrency <= MAX_CONCURRENCY:
        raise UsageError(f"concurrency takes an integer from 1 to {MAX_CONCURRENCY}, not {concurrency!r}.")
    for name, value, kind in (("timeouts", timeouts, Timeouts), ("retry", retry, RetryPolicy)):
        if not isinstance(value, kind):
            raise UsageError(f"{name} takes {kind.__name__}(…), not {value!r}.")
