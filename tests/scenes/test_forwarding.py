"""What a peer is told of the client, by ``forwarded``; and whose word counts, by ``trusted_fields``."""

from __future__ import annotations

from tests.scenes.heads import answered_alone, passed
from tests.scenes.sites import ONE

GET = "GET / HTTP/1.1\nHost: example.com"
SAID = GET + "\nForwarded: for=198.51.100.7;proto=https, for=192.0.2.9\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Proto: https"
TRUSTING = "[listen http]\non = tcp:80\ntrusted_proxies = 192.0.2.0/24\n"
BY_FORWARDED = TRUSTING + "trusted_fields = rfc7239\n"


def told(keys: str, request: str = GET, doors: str = "", address: str = "192.0.2.1") -> dict[str, str]:
    """What the peer is told of the client."""
    asked, _ = passed(doors + ONE + keys + "\n", request, address=address)
    return {name: value for name, value in asked.fields.items() if "forward" in name or name == "x-real-ip"}


def test_forwarded_by_rfc_7239() -> None:
    assert told("forwarded = rfc7239") == {"forwarded": "for=192.0.2.1;host=example.com;proto=http"}
    said = told("forwarded = rfc7239", "GET / HTTP/1.1\nHost: example.com:8080", address="2001:db8::1")
    assert said == {"forwarded": 'for="[2001:db8::1]";host="example.com:8080";proto=http'}


def test_both_families() -> None:
    said = told("forwarded = both")
    assert said["forwarded"] == "for=192.0.2.1;host=example.com;proto=http"
    assert said["x-forwarded-for"] == said["x-real-ip"] == "192.0.2.1"


def test_nobody_is_told_anything_by_off() -> None:
    assert told("forwarded = off", SAID) == {}


def test_an_untrusted_clients_word_is_replaced_in_both() -> None:
    said = told("forwarded = both", SAID)
    assert said["forwarded"] == "for=192.0.2.1;host=example.com;proto=http"
    assert (said["x-forwarded-for"], said["x-forwarded-proto"]) == ("192.0.2.1", "http")


def test_a_trusted_proxys_forwarded_is_read_and_extended() -> None:
    said = told("forwarded = rfc7239", SAID, BY_FORWARDED)
    assert said == {
        "forwarded": "for=198.51.100.7;proto=https, for=192.0.2.9, for=192.0.2.1;host=example.com;proto=http",
    }


def test_what_is_not_the_trusted_proxys_to_write_is_made_anew() -> None:
    said = told("forwarded = both", SAID, BY_FORWARDED)
    assert (said["x-forwarded-for"], said["x-forwarded-proto"], said["x-real-ip"]) == ("198.51.100.7", "https", "198.51.100.7")
    said = told("forwarded = both", SAID, TRUSTING)
    assert said["x-forwarded-for"] == "203.0.113.9, 192.0.2.1"
    assert said["forwarded"] == "for=203.0.113.9;host=example.com;proto=https, for=192.0.2.1;host=example.com;proto=http"


def test_templates_know_the_client_behind_a_trusted_proxy() -> None:
    site = BY_FORWARDED + "[route /]\nredirect = 302 /{client}/{scheme}\n"
    assert answered_alone(site, SAID).fields["location"] == "/198.51.100.7/https"
    # The client's own proxy hides it: nothing left of it is believed.
    hidden = GET + "\nForwarded: for=198.51.100.7, for=unknown, for=192.0.2.9;proto=https"
    assert answered_alone(site, hidden).fields["location"] == "/192.0.2.9/https"
    assert answered_alone(site, GET + "\nForwarded: for=198.51.100.7;for=1").fields["location"] == "/192.0.2.1/http"
