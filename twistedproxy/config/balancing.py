"""Who is next: the scheduler of a pool, what binds clients to peers, and warnings about both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from twistedproxy.config.network import host
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context, duration, whole_number, write_duration
from twistedproxy.settings.pools import BALANCES, BalanceSettings, PoolSettings, StickySettings
from twistedproxy.spelling import choose_from
from twistedproxy.templates import REQUEST_NAMES, Template

#: How others say the same.
_ELSEWHERE: Final = {
    "ip_hash": "hash {client}",
    "source": "hash {client}",
    "uri": "hash {uri}",
    "least_conn": "least_connections",
    "leastconn": "least_connections",
    "random": "random_two",
}
_BOUND = re.compile(r"bound=([0-9]{1,4})%")
# RFC 6265 §4.1.1: a cookie's name is a token; its path has neither controls nor semicolons.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PATH = re.compile(r"/[!-:<-~]*")
_KINDS: Final = ("cookie", "learn", "hash")
_SAME_SITE: Final = ("lax", "strict", "none")


def balance(text: str, at: Context) -> BalanceSettings:
    """A scheduler: ``round_robin``, …, or ``hash TEMPLATE [bound=N%]``."""
    name, *rest = text.split()
    if name == "hash":
        bound = 0.0
        while rest and (rest[-1] == "consistent" or rest[-1].startswith("bound=")):
            option = rest.pop()
            if option != "consistent":
                bound = _bound(option)
        return BalanceSettings("hash", _key(rest, "balance = hash"), bound)
    if name in _ELSEWHERE:
        raise BadValue(f"{name!r} is not known here", f"write {_ELSEWHERE[name]}")
    if name.startswith("{"):
        raise BadValue(f"{text!r} is not known here", f"write hash {text}")
    if name not in BALANCES:
        raise BadValue(f"{name!r} is not known here", choose_from(name, (*BALANCES, "hash {client}")))
    if rest:
        raise BadValue(f"{name} takes no options, and there is {' '.join(rest)!r}", f"write {name}")
    return BalanceSettings(name)


def write_balance(value: BalanceSettings) -> str:
    """As :func:`balance` reads it."""
    return str(value)


def _bound(option: str) -> float:
    found = _BOUND.fullmatch(option)
    if found is None or int(found[1]) <= 100:
        raise BadValue(f"{option!r} is not a bound", "write more than 100%, for instance bound=125%")
    return int(found[1]) / 100


def _key(words: list[str], where: str) -> str:
    text = " ".join(words)
    if not text:
        raise BadValue("hash what?", f"write for instance {where} {{client}}")
    try:
        template = Template.parse(text, REQUEST_NAMES)
    except ValueError as bad:
        raise BadValue(str(bad)) from None
    if template.is_constant:
        raise BadValue(f"{text!r} is the same for every request", f"write for instance {where} {{client}}")
    return text


def sticky(text: str, at: Context) -> StickySettings:
    """``cookie NAME …``, ``learn NAME …`` or ``hash TEMPLATE``."""
    kind, *rest = text.split()
    if kind not in _KINDS:
        raise BadValue(f"{kind!r} is not a kind of stickiness", choose_from(kind, _KINDS))
    if kind == "hash":
        return StickySettings("hash", key=_key(rest, "sticky = hash"))
    if not rest or "=" in rest[0]:
        raise BadValue(
            f"{text!r} names no cookie", f"write for instance sticky = {kind} {'srv' if kind == 'cookie' else 'JSESSIONID'}"
        )
    name, *options = rest
    if not _TOKEN.fullmatch(name):
        raise BadValue(f"{name!r} is not the name of a cookie", "letters, digits, - and _ only")
    given: dict[str, str] = {}
    for option in options:
        what, equals, value = option.partition("=")
        if what in given:
            raise BadValue(f"{what} is said twice", "remove one")
        known = ("secure", "httponly", "expires=", "domain=", "path=", "samesite=") if kind == "cookie" else ("size=", "timeout=")
        if f"{what}{equals}" not in known:
            raise BadValue(f"{option!r} is not an option of sticky = {kind}", choose_from(option, known))
        given[what] = value
    return _cookie(name, given, at) if kind == "cookie" else _learn(name, given, at)


def _cookie(name: str, given: dict[str, str], at: Context) -> StickySettings:
    expires = duration(given["expires"], at) if "expires" in given else None
    if expires is not None and expires < 1:
        raise BadValue(f"expires={given['expires']} is less than a second", "write for instance expires=1h")
    path = given.get("path", "/")
    if not _PATH.fullmatch(path):
        raise BadValue(f"path={path} is not a path", "write for instance path=/")
    domain = given.get("domain", "")
    if "domain" in given:
        domain = host(domain.removeprefix("."))
    same_site = given.get("samesite", "").lower()
    if "samesite" in given and same_site not in _SAME_SITE:
        raise BadValue(f"samesite={given['samesite']} is not known", choose_from(same_site, _SAME_SITE))
    secure = "secure" in given
    if same_site == "none" and not secure:
        raise BadValue("browsers drop a cookie with samesite=none that is not secure", "add secure")
    if name.startswith(("__Secure-", "__Host-")) and not secure:
        raise BadValue(f"browsers drop {name} unless it is secure", "add secure")
    if name.startswith("__Host-") and (domain or path != "/"):
        raise BadValue(f"browsers drop {name} with a domain, or a path other than /", "remove domain and path")
    return StickySettings(
        "cookie",
        name,
        expires=expires,
        domain=domain,
        path=path,
        secure=secure,
        httponly="httponly" in given,
        same_site=same_site,
    )


def _learn(name: str, given: dict[str, str], at: Context) -> StickySettings:
    made = StickySettings("learn", name)
    size = whole_number(given["size"], "a number of sessions") if "size" in given else made.size
    timeout = duration(given["timeout"], at) if "timeout" in given else made.timeout
    if not size:
        raise BadValue("size=0 remembers no session", f"write for instance size={made.size}")
    if not timeout:
        raise BadValue("timeout=0 forgets every session at once", f"write for instance timeout={write_duration(made.timeout)}")
    return StickySettings("learn", name, size=size, timeout=timeout)


def write_sticky(value: StickySettings) -> str:
    """As :func:`sticky` reads it."""
    if value.kind == "hash":
        return f"hash {value.key}"
    words = [value.kind, value.cookie]
    if value.kind == "learn":
        return " ".join([*words, f"size={value.size}", f"timeout={write_duration(value.timeout)}"])
    if value.expires is not None:
        words.append(f"expires={write_duration(value.expires)}")
    if value.domain:
        words.append(f"domain={value.domain}")
    words.append(f"path={value.path}")
    words += [flag for flag in ("secure", "httponly") if getattr(value, flag)]
    if value.same_site:
        words.append(f"samesite={value.same_site}")
    return " ".join(words)


def of_pool(section: Section, pool: PoolSettings) -> Iterator[Problem]:
    """Warnings about who is next in a pool."""
    one = len(pool.servers) == 1 and pool.servers[0].stands_for.name == "PEER"
    for key in ("balance", "sticky"):
        if one and section.gives(key):
            yield section.problem(key, "has no effect: the pool has one server", "add a server, or remove the line")
    if one and pool.servers[0].slow_start:
        yield section.problem("servers", "slow_start has no effect: the pool has one server", "remove it")
    if pool.sticky is not None and pool.sticky.kind == "hash" and pool.balance.scheduler == "hash":
        yield section.problem(
            "sticky", "counts, and balance = hash only for requests that have no such key", "write one of the two"
        )
    cookie = pool.sticky is not None and pool.sticky.kind == "cookie"
    if cookie and pool.sticky is not None and pool.sticky.domain and "." not in pool.sticky.domain:
        yield section.problem("sticky", f"browsers drop a cookie for the domain {pool.sticky.domain}", "write a name with a dot")
