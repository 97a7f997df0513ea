"""Expressions by which an operator chooses requests."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.admin.expressions import Expression, ExpressionError

REQUEST = {
    "status": "503",
    "route": "/api/",
    "uri": "/api/v2/users?page=2",
    "path": "/api/v2/users",
    "method": "GET",
    "client": "10.1.2.3",
    "request_time": "0.250",
    "connect_time": "-",
    "bytes_sent": "0",
    "error": "-",
    "pool": "app",
    "header.user-agent": "curl/8 \xc3\xbc",
    "arg.page": "2",
    "client_cert.verified": "SUCCESS",
}


def holds(text: str) -> bool:
    return Expression(text).holds_for(lambda name: REQUEST[name])


@pytest.mark.parametrize(
    "text",
    [
        "status >= 500 and route == '/api/'",
        "500 <= status < 600",
        "status == 503",
        "status == '503'",
        "status == 503.0",
        "status in (502, 503)",
        "status not in [502, 504]",
        "not status == 200",
        "status != 200 or pool == 'none'",
        "'/v2/' in uri",
        "'/v3/' not in uri",
        "method in {'GET', 'HEAD'}",
        "starts(uri, '/api/') and ends(path, 'users')",
        "like(uri, '/api/*/users*')",
        "like(uri, '*')",
        "like(method, 'GET')",
        "within(client, '10.0.0.0/8')",
        "not within(route, '10.0.0.0/8')",
        "header.user_agent == 'curl/8 ü'",
        "starts(header['User-Agent'], 'curl/')",
        "arg.page == 2",
        "client_cert.verified == 'SUCCESS'",
        "request_time > 0.2",
        "request_time > -1",
        "not error",
        "pool and not bytes_sent",
        "bytes_sent == 0",
        "connect_time != 1",
        "(status == 1 or status == 503) and (method == 'GET')",
        "map.nothing == '-'",
    ],
)
def test_what_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "status < 500",
        "connect_time < 1",
        "connect_time > 1",
        "connect_time == 1",
        "route > 1",
        "error",
        "like(uri, '/api/*/users')",
        "like(uri, '/api/v2/users?page=2/api/v2/users?page=2*')",
        "like(uri, '/api/*nothing*')",
        "starts(uri, 'api')",
        "within(client, '2001:db8::/32')",
        "400 <= status < 500",
        "status in ()",
    ],
)
def test_what_does_not_hold(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an expression is a text"),
        (5, "an expression is a text"),
        ("status >", "write for instance status >= 500"),
        ("stats >= 500", "did you mean status"),
        ("status >= '500'", "< and > compare numbers; write '500' without quotes"),
        ("status is 500", "'is' has no meaning here"),
        ("header == 'x'", "header needs a name: header.page"),
        ("heder.x == 'x'", "heder.x is no name of requests"),
        ("header['ü']", "plain letters"),
        ("header[0]", "has no meaning here"),
        ("header.a.b", "has no meaning here"),
        ("status + 1 > 2", "has no meaning here"),
        ("start(uri, '/')", r"there is no word start\(\); did you mean starts"),
        ("starts(uri)", r"starts\(\) takes a name and a text, as in starts\(uri"),
        ("starts(uri, status)", "is a text in quotes"),
        ("within(client, 'home')", "'home' is no network"),
        ("uri.startswith('/')", r"there is no word uri.startswith\(\)"),
        ("True", "has no meaning here"),
        ("None == status", "has no meaning here"),
        ("status" + " or status" * 300, "2000 characters|too large"),
        ("(" * 900 + "status" + ")" * 900, "at character|cannot be read"),
        ("status\0", "cannot be read|null bytes"),
    ],
)
def test_what_is_no_expression_is_told_with_a_remedy(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        Expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "status.__class__",
        "().__class__.__bases__[0].__subclasses__()",
        "(lambda: 1)()",
        "[x for x in (1,)]",
        "{**status}",
        "f'{status}' == '1'",
        "(status := 5)",
        "status if route else uri",
        "open('/etc/passwd')",
        "starts(*status, '/')",
        "starts(uri, prefix='/')",
        "header['__class__'].__init__",
        "yield_",
        "await status",
        "9 ** 9 ** 9 > 1",
        "'a' * 10000 in uri",
        "b'x' in uri",
        "status[0]",
        "...",
    ],
)
def test_nothing_of_it_is_run(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text)


def test_the_names_in_it_are_known() -> None:
    assert Expression("status > 1 and header.User_Agent == 'x'").names == {"status", "header.user-agent"}


@given(st.text(alphabet="status uri()[]'\"<>=!andornot.,*-05_\n", max_size=60))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        found = Expression(text)
    except ExpressionError:
        return
    assert found.holds_for(lambda name: REQUEST.get(name, "-")) in (True, False)
    assert ast.parse(found.text, mode="eval")
