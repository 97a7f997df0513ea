"""What becomes of failures: values that say what is tried again, how often, and who waits; and warnings about them."""

from __future__ import annotations

from collections.abc import Iterator

from twistedproxy.config.http import status, status_range
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context, duration, share, whole_number, write_duration, write_share
from twistedproxy.settings.pools import NO_BUDGET, BudgetSettings, PoolSettings, QueueSettings
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.spelling import choose_from

#: The words of ``retry`` beside statuses.
RETRY_WORDS = ("error", "refused", "reset", "timeout", "invalid")

#: How nginx says the same.
_NGINX = {"invalid_header": "invalid", "non_idempotent": "retry_unsafe = yes", "off": "tries = 1", "no": "tries = 1"}


def retry_case(text: str, at: Context) -> str:
    """``error``, ``refused``, ``reset``, ``timeout``, ``invalid``, or a status from 400."""
    if text in RETRY_WORDS:
        return text
    if text.isascii() and text.isdigit():
        return str(_failure(status(text)))
    if text in _NGINX:
        raise BadValue(f"{text!r} is not a case of retry", f"write {_NGINX[text]}")
    if text.startswith("http_"):
        raise BadValue(f"{text!r} is not a case of retry", f"write {text.removeprefix('http_')}")
    raise BadValue(f"{text!r} is not a case of retry", choose_from(text, (*RETRY_WORDS, "502")))


def error_range(text: str, at: Context) -> tuple[int, int]:
    """``502`` or ``500-599``, from 400."""
    low, high = status_range(text, at)
    return _failure(low), high


def _failure(number: int) -> int:
    if number < 400:
        raise BadValue(f"{number} is not the status of a failure", "write 400 to 599")
    return number


def queue(text: str, at: Context) -> QueueSettings:
    """``100``, or ``100 timeout=5s``."""
    first, *options = text.split()
    length = whole_number(first, "the length of a queue")
    if length < 1:
        raise BadValue("a queue of length 0 holds nobody", "write a number, or remove the line")
    if not options:
        return QueueSettings(length)
    name, equals, value = options[0].partition("=")
    if name != "timeout" or not equals or len(options) > 1:
        raise BadValue(f"{' '.join(options)!r} is not an option of queue", f"write {length} timeout=5s")
    timeout = duration(value, at)
    if not timeout:
        raise BadValue("timeout=0 lets nobody wait", "write for instance timeout=5s, or remove the line")
    return QueueSettings(length, timeout)


def write_queue(value: QueueSettings) -> str:
    """As :func:`queue` reads it."""
    return f"{value.length} timeout={write_duration(value.timeout)}"


def budget(text: str, at: Context) -> BudgetSettings:
    """``no``, ``20%``, or ``20% min=10``."""
    if text == "no":
        return NO_BUDGET
    first, *options = text.split()
    part = share(first, at)
    if not options:
        return BudgetSettings(part)
    name, equals, value = options[0].partition("=")
    if name != "min" or not equals or len(options) > 1:
        raise BadValue(f"{' '.join(options)!r} is not an option of retry_budget", f"write {first} min=10")
    return BudgetSettings(part, whole_number(value.removesuffix("r/s"), "a number of retries a second"))


def write_budget(value: BudgetSettings) -> str:
    """As :func:`budget` reads it."""
    return "no" if value.is_unlimited else f"{write_share(value.share)} min={value.least}"


def of_pool(section: Section, pool: PoolSettings) -> Iterator[Problem]:
    """Warnings about what a pool says of failures."""
    if pool.eject_ratio is None:
        for key in ("eject_latency", "eject_window", "eject_min_requests"):
            if section.gives(key):
                yield section.problem(key, "has no effect without eject_ratio", "add for instance eject_ratio = 50%")
        if pool.max_fails == 0:
            for key in ("max_fail_timeout", "fail_statuses", "max_ejected"):
                if section.gives(key):
                    yield section.problem(
                        key, "has no effect: max_fails is 0", "give max_fails a number, add eject_ratio, or remove the line"
                    )
    if section.gives("max_fail_timeout") and pool.max_fail_timeout < pool.fail_timeout:
        yield section.problem(
            "max_fail_timeout", f"is less than fail_timeout, {write_duration(pool.fail_timeout)}", "write a longer time"
        )
    if pool.queue is not None and not any(server.max_connections for server in pool.servers):
        yield section.problem("queue", "has no effect: no server has max_connections", "write max_connections=N behind a server")


def of_route(section: Section, route: RouteKnobs) -> Iterator[Problem]:
    """Warnings about what a route or [defaults] says of failures."""
    if route.retry_unsafe:
        yield section.problem(
            "retry_unsafe", "what a POST does may be done twice", "remove the line unless the peers know repeated requests"
        )
    if route.tries == 1:
        for key in ("retry", "hedge"):
            if section.gives(key):
                yield section.problem(key, "has no effect: tries is 1", "remove the line, or make tries 2")
    if section.gives("hedge") and route.hedge is not None and route.hedge >= route.read_timeout:
        yield section.problem(
            "hedge", f"is never reached: read_timeout is {write_duration(route.read_timeout)}", "write a shorter time"
        )
