"""What ``[tracing]`` may say."""

from __future__ import annotations

import sys

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings

TRACING = "[tracing]\nendpoint = http://127.0.0.1:4318\n"


def test_a_collector_s_address_needs_no_path() -> None:
    for text, url in (
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://collector.example/", "https://collector.example/v1/traces"),
        ("https://collector.example/otlp/traces", "https://collector.example/otlp/traces"),
    ):
        tracing = loaded(f"{SMALL}[tracing]\nendpoint = {text}\n").settings.tracing
        assert tracing is not None
        assert tracing.endpoint == url


def test_routes_pass_traces_on_unless_they_say_something_else() -> None:
    more = "[route /a]\npool = app\ntraceparent = no\n"
    assert [route.traceparent for route in loaded(SMALL + more).settings.routes] == ["no", "no"]
    assert [route.traceparent for route in loaded(SMALL + more + TRACING).settings.routes] == ["trusted", "no"]
    by_default = loaded(f"{SMALL}[defaults]\ntraceparent = any\n{TRACING}").settings.routes
    assert [route.traceparent for route in by_default] == ["any"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sampler = both", "'both' is not known here"),
        ("resource = region", "'region' is not NAME VALUE; write for instance deployment.environment.name prod"),
        ("resource = service.name x", "the name of the service has a key of its own; write service_name = x"),
        ("resource = a=b c", "'a=b' is not the name of an attribute"),
        ("headers = Authorization", "'Authorization' is not NAME VALUE"),
        ("headers = Content-Length 3", "Content-Length says how the message travels"),
        ("headers = X-Key schlüssel", "the value of X-Key has a character beyond printable ASCII"),
        ("queue = 5", "5 is too small; at least 512"),
        ("endpoint = collector:4318", "'collector:4318' is not a URL"),
    ],
)
def test_mistakes_are_told_with_a_remedy(line: str, said: str) -> None:
    text = TRACING.replace("endpoint = http://127.0.0.1:4318", line) if line.startswith("endpoint") else f"{TRACING}{line}\n"
    (only,) = errors(SMALL + text)
    assert said in only


def test_without_the_extra_an_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    (only,) = errors(SMALL + TRACING)
    assert "[tracing]: OpenTelemetry is not installed here" in only
    assert only.endswith("pip install 'twistedproxy[otel]', or remove the section")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            TRACING.replace("127.0.0.1", "collector.example") + "headers = Authorization Bearer x\n",
            "headers: are sent to collector.example:4318 unencrypted; write https:// in endpoint",
        ),
        (
            TRACING + "[defaults]\ntraceparent = no\n",
            "[tracing]: no route passes traces on: what peers tell is not joined with it; remove traceparent = no",
        ),
    ],
)
def test_what_is_probably_not_meant_is_told(lines: str, said: str) -> None:
    (only,) = warnings(SMALL + lines)
    assert only.endswith(said)


def test_a_token_stays_on_this_machine_without_complaint() -> None:
    assert warnings(f"{SMALL}{TRACING}headers = Authorization Bearer x\n") == []
