"""What a route changes in requests and answers: edits of fields, paths, locations, cookies, bodies, cross-origin rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Final

from twistedproxy.config.http import FRAMING_FIELDS, TOKEN
from twistedproxy.config.network import host as host_of
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context, choice
from twistedproxy.config.websockets import origin
from twistedproxy.forward.map_lines import quoted_word, split_words, written_word
from twistedproxy.settings.edits import HEADER_ACTIONS, CookieFlags, FromTo, HeaderEdit, RewriteRule, Substitution
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.spelling import choose_from
from twistedproxy.templates import PEER_NAMES, REQUEST_NAMES, RESPONSE_NAMES, Template

_PLAIN_ACTIONS: Final = ("set", "add", "remove")
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_FIELD_VALUE: Final = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
_COOKIE_FLAGS: Final = (
    "secure",
    "httponly",
    "samesite=lax",
    "samesite=strict",
    "samesite=none",
    "nosecure",
    "nohttponly",
    "nosamesite",
)
_ONLY_WITH_CORS: Final = ("cors_methods", "cors_headers", "cors_expose", "cors_max_age", "cors_credentials")


def template(text: str, names: Set[str]) -> Template:
    """*text* as a template of *names*."""
    try:
        return Template.parse(text, names)
    except ValueError as bad:
        raise BadValue(str(bad)) from None


def field_name(text: str, at: Context) -> str:
    """The name of a field that may be written."""
    if not TOKEN.fullmatch(text):
        remedy = f"write {text[:-1]}" if text.endswith(":") else "letters, digits and hyphens only"
        raise BadValue(f"{text!r} is not the name of a header field", remedy)
    if text.lower() in FRAMING_FIELDS:
        raise BadValue(f"{text} says how the message travels", "leave it to the proxy")
    if text.lower() == "host":
        raise BadValue("Host is not edited here", "write host = … in the route")
    return text


def any_field_name(text: str, at: Context) -> str:
    """The name of a field that is only spoken of, or ``*``."""
    if not TOKEN.fullmatch(text):
        raise BadValue(f"{text!r} is not the name of a header field", "letters, digits and hyphens only, without commas")
    return text


def method(text: str, at: Context) -> str:
    """A method."""
    if not TOKEN.fullmatch(text) or text != text.upper():
        raise BadValue(f"{text!r} is not a method", f"write {text.upper().rstrip(',')}")
    return text


def request_edit(text: str, at: Context) -> HeaderEdit:
    """An edit of the head for a peer."""
    return _header_edit(text, PEER_NAMES, at)


def response_edit(text: str, at: Context) -> HeaderEdit:
    """An edit of the head for the client."""
    return _header_edit(text, RESPONSE_NAMES, at)


def plain_edit(text: str, at: Context) -> HeaderEdit:
    """``set NAME VALUE``, ``add NAME VALUE`` or ``remove NAME``; braces stand for themselves."""
    return _header_edit(text, None, at)


def _header_edit(text: str, names: Set[str] | None, at: Context) -> HeaderEdit:
    action, *rest = text.split(None, 2)
    known = HEADER_ACTIONS if names is not None else _PLAIN_ACTIONS
    if action not in known:
        raise BadValue(f"{action!r} is not an edit of header fields", choose_from(action, known))
    if not rest:
        raise BadValue(f"{text!r} names no field", f"write {action} NAME{'' if action == 'remove' else ' VALUE'}")
    name, value = rest[0], rest[1] if len(rest) > 1 else ""
    if not TOKEN.fullmatch(name) and name.endswith(":"):
        raise BadValue(f"{name!r} is not the name of a header field", f"write {action} {name[:-1]} …")
    field_name(name, at)
    if action == "remove":
        if value:
            raise BadValue(f"{text!r} has a value", f"write remove {name}: every field of that name goes")
    elif not value:
        raise BadValue(f"{text!r} has no value", f"write {action} {name} VALUE, or remove {name}")
    elif not _FIELD_VALUE.fullmatch(value):
        raise BadValue(f"{value!r} is not in ASCII", "RFC 9110 §5.5: write it in ASCII, encoded where need be")
    if names is not None:
        template(value, names)
    return HeaderEdit(action, name, value)


def write_header_edit(edit: HeaderEdit) -> str:
    """As :func:`request_edit` reads it."""
    return f"{edit.action} {edit.name} {edit.value}".rstrip()


def forwarded(text: str, at: Context) -> str:
    """Which fields tell a peer of the client; ``yes`` and ``no`` stand for x-forwarded and off."""
    return choice({"yes": "x-forwarded", "no": "off"}.get(text, text), at)


def _two(text: str, example: str) -> tuple[str, str]:
    words = text.split()
    if len(words) != 2:
        raise BadValue(f"{text!r} is not FROM TO", f"write for instance {example}")
    return words[0], words[1]


def location(text: str, at: Context) -> FromTo:
    """``peer``, or ``FROM TO``."""
    if text == "peer":
        return FromTo("peer", "")
    source, to = _two(text, "peer, or http://app.internal/ https://{host}/")
    if not source.startswith(("/", "http://", "https://")):
        raise BadValue(f"{source!r} is not the beginning of a URL", "write / or http:// or https:// before it")
    template(to, REQUEST_NAMES)
    return FromTo(source, to)


def cookie_domain(text: str, at: Context) -> FromTo:
    """``FROM TO``; FROM may be ``*``, TO ``none``."""
    source, to = _two(text, "app.internal {host}, or * none")
    if source != "*":
        source = host_of(source.removeprefix("."))
    if to == "none":
        return FromTo(source, "")
    if template(to, REQUEST_NAMES).is_constant:
        to = host_of(to.removeprefix("."))
    return FromTo(source, to)


def cookie_path(text: str, at: Context) -> FromTo:
    """``FROM TO``: how paths begin."""
    source, to = _two(text, "/ /app/")
    if not source.startswith("/") or not to.startswith(("/", "{")) or ";" in source + to:
        raise BadValue(f"{text!r} is not two paths", "write for instance / /app/")
    template(to, REQUEST_NAMES)
    return FromTo(source, to)


def write_from_to(value: FromTo) -> str:
    """As :func:`location` and the others read it."""
    return "peer" if value.source == "peer" else f"{value.source} {value.to or 'none'}"


def cookie_flags(text: str, at: Context) -> CookieFlags:
    """``NAME FLAG…``."""
    name, *flags = text.split()
    if not flags or not TOKEN.fullmatch(name):
        raise BadValue(f"{text!r} is not NAME FLAG…", "write for instance * secure samesite=lax")
    lower = tuple(flag.lower() for flag in flags)
    for flag in lower:
        if flag not in _COOKIE_FLAGS:
            raise BadValue(f"{flag!r} is not a flag of cookies", choose_from(flag, _COOKIE_FLAGS))
    stems = [flag.removeprefix("no").partition("=")[0] for flag in lower]
    if len(set(stems)) < len(stems):
        raise BadValue(f"{text!r} says two things of one flag", "remove one")
    if "samesite=none" in lower and "secure" not in lower:
        raise BadValue("browsers drop a cookie with samesite=none that is not secure", "add secure")
    return CookieFlags(name, lower)


def write_cookie_flags(value: CookieFlags) -> str:
    """As :func:`cookie_flags` reads it."""
    return " ".join((value.name, *value.flags))


def regex(text: str) -> re.Pattern[bytes]:
    """A regular expression for bytes."""
    try:
        return re.compile(text.encode("utf-8"))
    except re.error as bad:
        raise BadValue(f"{text!r} is not a regular expression: {bad}", "see Python's re for what is known") from None


def replacement(text: str, pattern: re.Pattern[bytes], names: Set[str]) -> None:
    """Check what takes the place of what *pattern* finds."""
    plain = template(text, names).render(lambda name: "x")
    try:
        pattern.sub(plain.encode("utf-8"), b"")
    except (re.error, IndexError) as bad:
        raise BadValue(f"{text!r} does not fit the regular expression: {bad}", "write \\1 for the first group") from None


def rewrite(text: str, at: Context) -> RewriteRule:
    """``REGEX REPLACEMENT``."""
    pattern, to = _two(text, "^/old/(.*) /new/\\1")
    found = regex(pattern)
    if re.search(r"\$\d", to):
        raise BadValue(f"{to!r} has a dollar sign before a number", "write \\1 for the first group")
    if not to.startswith(("/", "\\")):
        raise BadValue(f"{to!r} does not begin with a slash", f"write /{to}; to send clients elsewhere, write redirect = …")
    replacement(to, found, REQUEST_NAMES)
    return RewriteRule(pattern, to)


def write_rewrite(value: RewriteRule) -> str:
    """As :func:`rewrite` reads it."""
    return f"{value.pattern} {value.replacement}"


def substitution(text: str, at: Context) -> Substitution:
    """``FROM TO``, or ``~ REGEX TO``."""
    try:
        words = split_words(text)
    except ValueError as bad:
        raise BadValue(str(bad), "write double quotes around the whole of it") from None
    is_regex = words[0] == ("~", "")
    plain = [word for word, mark in words if mark != '"*'][1 if is_regex else 0 :]
    if len(plain) != 2 or len(words) != 2 + is_regex or not plain[0]:
        raise BadValue(f"{text!r} is not FROM TO", 'write for instance "old text" new, or ~ [0-9]{4} ****')
    source, to = plain
    if is_regex:
        pattern = regex(source)
        if pattern.fullmatch(b""):
            raise BadValue(f"{source!r} is found everywhere: it means nothing, too", "write + in the place of *")
        replacement(to, pattern, RESPONSE_NAMES)
    template(to, RESPONSE_NAMES)
    return Substitution(source, to, is_regex)


def write_substitution(value: Substitution) -> str:
    """As :func:`substitution` reads it."""
    source = quoted_word(value.source) if value.source == "~" else written_word(value.source)
    return f"{'~ ' if value.is_regex else ''}{source} {written_word(value.to)}"


def media_type(text: str, at: Context) -> str:
    """``text/html``, or ``*``."""
    if text != "*" and not _MEDIA_TYPE.fullmatch(text):
        raise BadValue(f"{text!r} is not a media type", "write for instance text/html, without parameters and commas")
    return text.lower()


def cors_origin(text: str, at: Context) -> str:
    """An origin, or ``*`` for all."""
    if text == "same":
        raise BadValue("pages of the site itself need no permission", "leave same out")
    return "*" if text == "*" else origin(text, at)


def warnings(section: Section, knobs: RouteKnobs) -> Iterator[Problem]:
    """What is legal and dangerous, or without effect."""
    if not knobs.substitute:
        for key in ("substitute_once", "substitute_types"):
            if section.gives(key) and section.kind != "defaults":
                yield section.problem(key, "has no effect without substitute", "add substitute = FROM TO, or remove the line")
    if not knobs.compress:
        for key in ("compress_types", "compress_level", "compress_min_size"):
            if section.gives(key) and section.kind != "defaults":
                yield section.problem(key, "has no effect without compress", "add compress = br gzip, or remove the line")
    if not knobs.cors:
        for key in _ONLY_WITH_CORS:
            if section.gives(key) and section.kind != "defaults":
                yield section.problem(key, "has no effect without cors", "add cors = https://…, or remove the line")
    elif "*" in knobs.cors and len(knobs.cors) > 1:
        yield section.problem("cors", "* stands for every origin: the others have no effect", "remove the others")
    if "null" in knobs.cors and knobs.cors_credentials:
        yield section.problem(
            "cors", "null is every sandboxed page and local file: with credentials, anybody's", "name origins only"
        )


def errors(section: Section, knobs: RouteKnobs) -> Iterator[Problem]:
    """What contradicts itself."""
    if "*" in knobs.cors and knobs.cors_credentials:
        yield section.problem(
            "cors_credentials" if section.gives("cors_credentials") else "cors",
            "every site could use what is open to logged-in users; browsers refuse * with credentials",
            "name the origins that may",
        )
