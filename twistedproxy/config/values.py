"""The kinds of knobs: for each, how a value is read, how it is written back, and how the manual calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from twistedproxy.config import (
    apps,
    balancing,
    checks,
    expectations,
    failures,
    files,
    guard_values,
    http,
    log_values,
    network,
    pages,
    rewriting,
    routing,
    scalars,
    static,
    streams,
    tls,
    tracing_values,
    websockets,
)
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Entry, Section
from twistedproxy.config.scalars import Context
from twistedproxy.forward.map_lines import write_line


class Shape(Enum):
    """How a value stands in the file."""

    ONE = "one value"
    WORDS = "words, on one line or several"
    LINES = "one a line"


@dataclass(frozen=True)
class Kind:
    """
    One kind of knob.

    :ivar called: what the manual calls it
    :ivar parse: one value, word or line of text to what the settings hold; raises BadValue
    :ivar write: the way back
    """

    called: str
    parse: Callable[[str, Context], Any]
    write: Callable[[Any], str] = str
    shape: Shape = Shape.ONE


KINDS: Final[dict[str, Kind]] = {
    "acme_binding": Kind("identifier and key", tls.acme_binding, tls.write_acme_binding),
    "acme_directory": Kind("URL", tls.acme_directory),
    "acme_names": Kind("hosts", tls.acme_name, shape=Shape.WORDS),
    "alpn_protocols": Kind("protocols", streams.alpn_protocol, shape=Shape.WORDS),
    "app_dir": Kind("directory", apps.app_dir),
    "app_target": Kind("Python name", apps.app_target),
    "authorities": Kind("file", files.authorities),
    "authority": Kind("host[:port]", network.authority_text),
    "balance": Kind("scheduler", balancing.balance, balancing.write_balance),
    "bandwidth": Kind("bytes a second", guard_values.bandwidth, guard_values.write_bandwidth),
    "boolean": Kind("yes or no", scalars.boolean, scalars.write_boolean),
    "budget": Kind("share and number", failures.budget, failures.write_budget),
    "codings": Kind("choices", scalars.choice, shape=Shape.WORDS),
    "cache_choices": Kind("choices", scalars.choice, shape=Shape.WORDS),
    "cache_key": Kind("template", http.cache_key),
    "cache_name": Kind("name of a [cache …]", scalars.line_of_text),
    "cache_valid": Kind("statuses and a duration", http.cache_valid, http.write_cache_valid, Shape.LINES),
    "certificate": Kind("files", files.certificate, files.write_certificate),
    "certificates": Kind("files", files.certificate, files.write_certificate, Shape.LINES),
    "check": Kind("check", checks.check),
    "check_fields": Kind("fields", checks.check_field, checks.write_check_field, Shape.LINES),
    "check_header_edits": Kind("edits", checks.check_header_edit, rewriting.write_header_edit, Shape.LINES),
    "check_pattern": Kind("regular expression", checks.pattern),
    "check_port": Kind("port", checks.check_port),
    "choice": Kind("choice", scalars.choice),
    "ciphers": Kind("ciphers", tls.cipher, shape=Shape.WORDS),
    "clients": Kind("networks", guard_values.client, shape=Shape.WORDS),
    "conditions": Kind("templates", http.condition, shape=Shape.WORDS),
    "curves": Kind("curves", tls.curve, shape=Shape.WORDS),
    "cache_control": Kind("words", static.cache_control),
    "charset": Kind("charset", static.charset),
    "directory": Kind("directory", static.directory),
    "expiries": Kind("types and a duration", static.expiry, static.write_expiry, Shape.LINES),
    "file_names": Kind("names of files", static.file_name, shape=Shape.WORDS),
    "mime_types": Kind("types and endings", static.mime_type, static.write_mime_type, Shape.LINES),
    "try_files": Kind("paths", static.tried, shape=Shape.WORDS),
    "duration": Kind("duration", scalars.duration, scalars.write_duration),
    "email": Kind("e-mail address", tls.email),
    "error_pages": Kind("statuses and files", pages.error_page, pages.write_error_page, Shape.LINES),
    "maintenance": Kind("yes, no or file", pages.maintenance),
    "error_statuses": Kind("statuses", failures.error_range, http.write_status_range, Shape.WORDS),
    "globs": Kind("paths with wildcards", files.pattern, shape=Shape.LINES),
    "host_field": Kind("text", network.host_field),
    "host_name": Kind("host", network.host_name),
    "host_names": Kind("hosts", network.certificate_name, shape=Shape.WORDS),
    "hsts": Kind("duration and words", tls.hsts, tls.write_hsts),
    "integer": Kind("number", scalars.integer),
    "login_keys": Kind("file", files.login_keys),
    "listen_addresses": Kind("addresses", network.listen_address, network.write_listen_address, Shape.LINES),
    "limit_key": Kind("template", guard_values.limit_key),
    "limit_names": Kind("names of [limit …]", scalars.line_of_text, shape=Shape.WORDS),
    "listen_names": Kind("names of [listen …]", scalars.line_of_text, shape=Shape.WORDS),
    "log_conditions": Kind("conditions", log_values.condition, shape=Shape.LINES),
    "log_file": Kind("path or syslog:…", log_values.log_file),
    "log_format": Kind("format", log_values.log_format),
    "log_names": Kind("names of [log …]", scalars.line_of_text, shape=Shape.WORDS),
    "nameservers": Kind("addresses", network.nameserver, network.write_nameserver, Shape.WORDS),
    "networks": Kind("networks", network.network, shape=Shape.WORDS),
    "key_source": Kind("file or URL", guard_values.key_source),
    "jwt_algorithms": Kind("choices", scalars.choice, shape=Shape.WORDS),
    "claim_headers": Kind("claim and field", guard_values.claim_header, guard_values.write_claim_header, Shape.LINES),
    "attributes": Kind("names and values", tracing_values.attribute, tracing_values.write_pair, Shape.LINES),
    "auth_field": Kind("field", guard_values.field_name),
    "auth_fields": Kind("fields", guard_values.field_name, shape=Shape.WORDS),
    "origins": Kind("origins", websockets.origin, shape=Shape.WORDS),
    "otlp_headers": Kind("fields", tracing_values.header, tracing_values.write_pair, Shape.LINES),
    "otlp_url": Kind("URL", tracing_values.endpoint),
    "password_file": Kind("file", guard_values.password_file),
    "path": Kind("path", files.path),
    "path_prefix": Kind("path", network.path_prefix),
    "pool_name": Kind("name of a [pool …]", scalars.line_of_text),
    "python_names": Kind("Python names", files.python_name, shape=Shape.WORDS),
    "python_name": Kind("Python name", files.python_name),
    "queue": Kind("length and timeout", failures.queue, failures.write_queue),
    "rate": Kind("rate", websockets.rate, websockets.write_rate),
    "ratio": Kind("share", scalars.ratio, scalars.write_ratio),
    "realm": Kind("text", guard_values.realm),
    "redirect": Kind("status and template", http.redirect, http.write_redirect),
    "respond": Kind("status and template", http.respond, http.write_respond),
    "retry_cases": Kind("cases", failures.retry_case, shape=Shape.WORDS),
    "revocations": Kind("file", files.revocations),
    "servers": Kind("servers", network.server, network.write_server, Shape.LINES),
    "share": Kind("share", scalars.share, scalars.write_share),
    "size": Kind("size", scalars.size, scalars.write_size),
    "sni": Kind("names and pools", streams.sni, streams.write_sni, Shape.LINES),
    "statuses": Kind("statuses", http.status_range, http.write_status_range, Shape.WORDS),
    "sticky": Kind("stickiness", balancing.sticky, balancing.write_sticky),
    "syslog_word": Kind("word", log_values.syslog_word),
    "token_place": Kind("place", guard_values.token_place),
    "url": Kind("URL", guard_values.url),
    "word": Kind("word", guard_values.word),
    "words": Kind("words", scalars.line_of_text, shape=Shape.WORDS),
    "tls_name": Kind("name of a [tls …]", scalars.line_of_text),
    "trusted_networks": Kind("networks", network.trusted_network, shape=Shape.WORDS),
    "use_stale": Kind("choices", scalars.choice, shape=Shape.WORDS),
    "protocols": Kind("choices", scalars.choice, shape=Shape.WORDS),
    "tls_versions": Kind("choices", scalars.choice, shape=Shape.WORDS),
    "cookie_domains": Kind("domains", rewriting.cookie_domain, rewriting.write_from_to, Shape.LINES),
    "cookie_flags": Kind("flags", rewriting.cookie_flags, rewriting.write_cookie_flags, Shape.LINES),
    "cookie_paths": Kind("paths", rewriting.cookie_path, rewriting.write_from_to, Shape.LINES),
    "cors_origins": Kind("origins", rewriting.cors_origin, shape=Shape.WORDS),
    "field_name": Kind("name of a field", rewriting.field_name),
    "field_names": Kind("names of fields", rewriting.any_field_name, shape=Shape.WORDS),
    "forwarded": Kind("choice", rewriting.forwarded),
    "locations": Kind("URLs", rewriting.location, rewriting.write_from_to, Shape.LINES),
    "methods": Kind("methods", rewriting.method, shape=Shape.WORDS),
    "request_edits": Kind("edits", rewriting.request_edit, rewriting.write_header_edit, Shape.LINES),
    "response_edits": Kind("edits", rewriting.response_edit, rewriting.write_header_edit, Shape.LINES),
    "media_types": Kind("types", rewriting.media_type, shape=Shape.WORDS),
    "substitutions": Kind("texts", rewriting.substitution, rewriting.write_substitution, Shape.LINES),
    "address": Kind("address", expectations.address),
    "answer_lines": Kind("lines of an answer", expectations.answer_line, shape=Shape.LINES),
    "expectations": Kind("expectations", expectations.expectations, expectations.write_expectations, Shape.LINES),
    "listen_name": Kind("name of a [listen …]", scalars.line_of_text),
    "request_lines": Kind("lines of a request", expectations.request_line, shape=Shape.LINES),
    "text": Kind("text", scalars.line_of_text),
    "map_file": Kind("file", routing.map_file),
    "map_rows": Kind("lines", routing.map_row, write_line, Shape.LINES),
    "map_source": Kind("template", routing.map_source),
    "route_conditions": Kind("conditions", routing.condition, shape=Shape.LINES),
    "split": Kind("a template and shares", routing.split_line, routing.write_split_line, Shape.LINES),
    "rewrites": Kind("rewrites", rewriting.rewrite, rewriting.write_rewrite, Shape.LINES),
}


class Failed(Exception):
    """A value could not be read; everything about it was reported."""


def parse(section: Section, entry: Entry, at: Context, problems: list[Problem]) -> Any:
    """
    The value of *entry* by the kind in ``at.row``; every bad item of it is added to *problems*.

    :raises Failed: there was a problem
    """
    kind = KINDS[at.row["kind"]]
    before = len(problems)
    values = []
    for item in entry.items:
        for text in item.text.split() if kind.shape is Shape.WORDS else (item.text,):
            try:
                value = kind.parse(text, at)
            except BadValue as bad:
                problems.append(section.problem(entry.key, bad.reason, bad.remedy, item.line))
                continue
            if value in values and kind.shape is not Shape.ONE:
                problems.append(section.problem(entry.key, f"{text} is said twice", "remove one", item.line))
            values.append(value)
    if kind.shape is Shape.ONE and len(entry.items) > 1:
        problems.append(
            section.problem(
                entry.key,
                f"takes one value, and there are {len(entry.items)} lines",
                "write the next key at the start of its line",
                entry.items[1].line,
            )
        )
    if entry.broken or len(problems) > before:
        raise Failed
    return values[0] if kind.shape is Shape.ONE else tuple(values)
