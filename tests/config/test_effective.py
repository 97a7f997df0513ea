"""The effective configuration loads back to the same settings, and the manual says what the program does."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.config.sites import SMALL, loaded
from twistedproxy.config.effective import effective
from twistedproxy.config.reference import reference
from twistedproxy.settings.site_ini import Settings

EVERYTHING = """\
[site]
state_dir = state
nameservers = 192.0.2.53 192.0.2.54:5353
[defaults]
max_body = 0
tries = 7
response_headers =
    remove Server
    set X-Note a \\; b ${NOTE}
    default X-Id {request_id}
cache = c
[listen http]
on =
    tcp:8080
    unix:run/http.sock mode=600
trusted_proxies = 10.0.0.0/8 ::1
[listen https]
on = tcp:[::1]:8443
tls = t
[tls t]
self_signed = localhost *.example.com
versions = TLSv1.3
[pool app]
servers =
    a:1 weight=3
    https://b backup server_name=c
    https://d addresses=all
    srv:_http._tcp.e down
    unix:app.sock down
    [::1]:80
check = GET /health?a=b
check_expect = 200-299 304
check_interval = 250ms
check_timeout = 100ms
check_fast_interval = 100ms
check_initial = unknown
check_concurrency = 9
check_keepalive = no
check_port = 9000
check_request_headers =
    set Origin https://a.example
    remove User-Agent
check_header =
    X-Ready: ^yes
    X-Role: (leader|single): .*
check_body = ^\\s*(ok|"fine"; really)
check_body_size = 4k
proxy_protocol = v2
[cache c]
directory = cache
max_size = 1000k
memory = 1
max_entry = 4k
[route /]
pool = app
cache_valid =
    200 301 10m
    404 1m
cache_heuristic = yes
cache_use_stale = error updating 503
host = upstream
[limit l]
key = {client} {user} {jwt.sub}
rate = 90r/m
burst = 7
bandwidth = 500k/s
[route http://*.Example.com:8080/caf%C3%A9/]
redirect = 308 https://{host}{uri}
[route /gone]
log = off
respond = 410 {path} is gone \\; really
[route /plain]
pool = app
log = access out
allow = 10.0.0.0/8 unix: ::1
deny = all
limits = l
bandwidth = 1m/s
satisfy = any
forward_auth = https://auth.example.com:9000/verify?a=b
forward_auth_headers = X-User X-Groups
forward_auth_user = X-User
jwt = https://issuer.example.com/.well-known/jwks.json
jwt_algorithms = RS256 ES256
jwt_issuer = https://issuer.example.com/
jwt_audience = a b
jwt_from = cookie session
jwt_headers =
    sub X-Sub
    org.name X-Org
realm = Admin Area
filters = tests.scenes.site_filters:Plain tests.scenes.site_filters:Upper
cache =
listen = http https
strip_prefix = /pl
add_prefix = /app
rewrite =
    ^/old/(.*)\\.php$ /new/\\1?by={client}
    ^/x{2,3} /y
request_id = X-Request-ID
traceparent = trusted
forwarded = both
rewrite_location =
    peer
    http://internal/ https://{host}/
cookie_domain =
    internal {host}
    * none
cookie_path = / /pl/
cookie_flags =
    sess* secure samesite=lax
    * nohttponly
substitute =
    http://internal/ https://{host}/
    "a b" ""
    ~ [0-9]{4}-(x+) "\\1 y"
substitute_types = text/html text/css
compress = zstd br
compress_types = text/css
compress_level = 9
compress_min_size = 0
cors = https://a.example http://*.b.example:8080 null
cors_methods = GET PUT
cors_headers = X-A X-B
cors_expose = X-C
cors_max_age = 1h
cors_credentials = yes
security_headers = strict
[app demo]
run = twisted.application.service:MultiService
[status]
on = tcp:127.0.0.1:8404
[log access]
file = access.log
format = {client} $${{x}} \\# {header.User-Agent}
[log out]
file = -
format = json
when =
    status >= 500
    request_time > 250ms
    not client 10.0.0.0/8
    {cache_status} != HIT
    header X-Debug
sample = 0.5%
slow = 2s
[log away]
file = syslog:tls:[::1]:6514
facility = daemon
severity = notice
tag = edge
hostname = gate-1
[tracing]
endpoint = https://collector.example:4318
service_name = the edge
sample = 12.5%
sampler = ratio
resource =
    deployment.environment.name prod
    region eu west
headers = Authorization Bearer abc \\; def
compression = none
timeout = 3s
[log local]
file = syslog:unix:/dev/log
of = streams
when = session_time > 1h
"""


def loaded_back(settings: Settings) -> Settings:
    """What the effective configuration says, read somewhere else and without environment."""
    return loaded(effective(settings), name="/elsewhere/other.ini").settings


def test_the_effective_configuration_loads_back_to_the_same() -> None:
    settings = loaded(EVERYTHING, {"NOTE": "${{HOME}} # \\; x"}).settings
    assert settings.routes[0].response_headers[1].value == "a ; b ${{HOME}} # \\; x"
    assert loaded_back(settings) == settings
    assert loaded_back(loaded(SMALL).settings) == loaded(SMALL).settings


def test_the_effective_configuration_says_what_is_inherited_and_what_is_default() -> None:
    text = effective(loaded(EVERYTHING, {"NOTE": ""}).settings)
    assert "[defaults]" not in text
    assert text.count("\ntries = 7\n") == 4
    assert "\nkeepalive_timeout = 75s\n" in text
    assert "\nstate_dir = /srv/state\n" in text


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1).map(str.strip).filter(bool))
def test_any_value_that_the_environment_gives_is_written_back(value: str) -> None:
    settings = loaded(SMALL + "response_headers = set X-A ${A}\n", {"A": value.replace("{", "{{").replace("}", "}}")}).settings
    assert loaded_back(settings) == settings


def test_the_manual_is_generated_from_the_settings() -> None:
    written = Path(__file__, "../../../docs/reference.md").resolve().read_text("utf-8")
    assert written == reference(), "docs/reference.md is out of date: run `make docs`"


def test_the_example_of_the_manual_is_a_site() -> None:
    manual = Path(__file__, "../../../docs/configuration.md").resolve().read_text("utf-8")
    found = loaded(manual.split("```ini\n")[1].split("```")[0])
    assert found.warnings == ()
    assert [server.weight for server in found.settings.pools["app"].servers] == [3, 1]
