"""What both clients share: everything but the doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from attrs import evolve

from gcore_invoices._flow import Session
from gcore_invoices.plugins.builtin import built_in_plugins
from gcore_invoices.plugins.manager import PluginInfo, Plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcore_invoices._config import Settings, Timeouts
    from gcore_invoices.plugins.retries import RetryPolicy


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
        plugins: Sequence[object],
        disabled_plugins: Iterable[str],
        strict_plugins: bool,
    ) -> None:
        self._plugins = Plugins(plugins, built_in_plugins(), disabled=disabled_plugins, strict=strict_plugins)
        self._session = Session(settings, self._plugins.hooks, timeouts, retry)

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """The active plugins, in the order they are called."""
        return self._plugins.active

    @property
    def inactive_plugins(self) -> tuple[PluginInfo, ...]:
        """Plugins that were blocked by name, or could not be used and why."""
        return self._plugins.inactive

    def with_options(self, *, timeouts: Timeouts | None = None, retry: RetryPolicy | None = None) -> Self:
        """A view of this client with other limits, which shares its connections and plugins.

        Closing the view does nothing; closing the client closes the view too.

        Args:
            timeouts: Instead of the client's.
            retry: Instead of the client's.

        Example:
            `client.with_options(timeouts=Timeouts(deadline=10)).get(42)`
        """
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._is_view = True
        view._session = evolve(
            self._session,
            timeouts=self._session.timeouts if timeouts is None else timeouts,
            retry=self._session.retry if retry is None else retry,
        )
        return view

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._session.settings.base_url}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A client cannot be pickled or copied, because it holds the key: make one where it is needed."
        )
