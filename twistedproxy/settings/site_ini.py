"""All of a site.ini: its sections."""

from __future__ import annotations

from dataclasses import dataclass, field

from twistedproxy.settings.caches import CacheSettings
from twistedproxy.settings.limits import LimitSettings
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.logs import LogSettings, TracingSettings
from twistedproxy.settings.maps import MapSettings
from twistedproxy.settings.operators import AppSettings, ShellSettings, StatusSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.site import SiteSettings
from twistedproxy.settings.streams import StreamSettings
from twistedproxy.settings.tls import TlsSettings
from twistedproxy.settings.trials import TrialSettings


@dataclass(frozen=True)
class Settings:
    """A whole site, checked: every name that one section says of another leads somewhere."""

    site: SiteSettings
    listen: tuple[ListenSettings, ...]
    routes: tuple[RouteSettings, ...]
    tls: dict[str, TlsSettings] = field(default_factory=dict)
    pools: dict[str, PoolSettings] = field(default_factory=dict)
    caches: dict[str, CacheSettings] = field(default_factory=dict)
    limits: dict[str, LimitSettings] = field(default_factory=dict)
    maps: dict[str, MapSettings] = field(default_factory=dict)
    tests: tuple[TrialSettings, ...] = ()
    apps: tuple[AppSettings, ...] = ()
    shell: ShellSettings | None = None
    status: StatusSettings | None = None
    logs: tuple[LogSettings, ...] = ()
    tracing: TracingSettings | None = None
    streams: tuple[StreamSettings, ...] = ()
