"""Host and the forms of a target, and paths that lead elsewhere for somebody (RFC 9112 §3.2, RFC 9110 §4.2, §7.2)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, passed, refused

HOST = "RFC 9112 §3.2: exactly one valid Host"
FORM = "RFC 9112 §3.2.2: absolute-form wins over Host"
PATH = "RFC 9110 §7.7, issue 3: no encoding trick walks around a route"
EXACT = "RFC 9110 §7.7: path and query unchanged"
H = b"\r\nHost: corpus.example\r\n\r\n"

#: Hosts that are none.
BAD_HOSTS: Final = {
    "empty": b"",
    "a blank inside": b"corpus .example",
    "a comma": b"a.example, b.example",
    "a path": b"corpus.example/x",
    "a query": b"corpus.example?x",
    "a fragment": b"corpus.example#x",
    "userinfo": b"user@corpus.example",
    "a scheme": b"http://corpus.example",
    "a backslash": b"corpus.example\\x",
    "a quote": b'corpus.example"',
    "angle brackets": b"<script>",
    "an escape": b"corpus%2eexample",
    "eight bits": b"corp\xfcs.example",
    "two ports": b"corpus.example:80:81",
    "a port that is none": b"corpus.example:http",
    "a port beyond 65535": b"corpus.example:70000",
    "a port of 0": b"corpus.example:0",
    "a port with a sign": b"corpus.example:+80",
    "a port with a blank": b"corpus.example: 80",
    "a port alone": b":80",
    "an address of seven colons and more": b"[1:2:3:4:5:6:7:8:9]",
    "an address without its bracket": b"[::1",
    "an address without brackets": b"::1",
    "a zone": b"[fe80::1%25eth0]",
    "two dots": b"corpus..example",
    "a dot in front": b".corpus.example",
    "a name without end": b"a" * 300,
    "a semicolon": b"corpus.example;x",
}

#: Paths that somebody reads as /private/, which is another route's (it redirects), or that lead above the root.
SNEAKY: Final = {
    "in escapes": b"/%70rivate/",
    "by ..": b"/a/../private/",
    "by escaped dots": b"/a/%2e%2e/private/",
    "by half-escaped dots": b"/a/.%2E/private/",
    "by an escaped slash": b"/a/..%2fprivate/",
    "by a backslash": b"/a/..\\private/",
    "by an escaped backslash": b"/a/..%5cprivate/",
    "by a backslash in front": b"\\private/",
    "by two slashes": b"//private/",
    "by three slashes": b"///private/",
    "by a dot": b"/./private/",
    "by an escaped dot": b"/%2e/private/",
    "by a parameter": b"/private;x=y/",
    "by a parameter at the dots": b"/a/..;/private/",
    "by dots behind an empty segment": b"/a//../private/",
    "by dots above the root": b"/../private/",
    "by many dots above the root": b"/a/../../private/",
    "by double escapes": b"/a/%252e%252e/private/",
    "by a double escape of a slash": b"/a/..%252fprivate/",
    "by absolute-form": b"http://corpus.example/private/",
    "by absolute-form in disguise": b"http://corpus.example/a/%2e%2e/private/",
    "by an absolute-form that names another host": b"http://private.example/",
}

#: Targets that must arrive as they came.
PLAIN: Final = {
    "escapes in either case": b"/<id>/%7euser/%7Euser",
    "an escaped slash": b"/<id>/a%2fb",
    "two slashes": b"/<id>//b",
    "a dot segment": b"/<id>/./b/../c",
    "a parameter": b"/<id>;v=1/b;w",
    "an empty query": b"/<id>?",
    "question marks in the query": b"/<id>?a?b??",
    "a URL in the query": b"/<id>?u=http://b.example/../x",
    "unescaped characters in the query": b'/<id>?a=[b]{c}|d^`e"<f>\\',
    "broken escapes in the query": b"/<id>?a=%zz%",
    "NUL, escaped, in the query": b"/<id>?a=%00",
    "CR LF, escaped, in the query": b"/<id>?a=%0d%0aX-B:%20c",
    "CR LF, escaped, in the path": b"/<id>/%0d%0aX-B:%20c",
    "a colon": b"/<id>/a:80/b",
    "an at sign": b"/<id>/@b.example",
    "eight bits, escaped": b"/<id>/%c3%a9%ff",
}

CASES: Final[tuple[Case, ...]] = (
    refused("no Host", HOST, b"GET /<id> HTTP/1.1\r\n\r\n"),
    refused("no Host with absolute-form", HOST, b"GET http://corpus.example/<id> HTTP/1.1\r\n\r\n"),
    refused("two Hosts", HOST, b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\nHost: b.example\r\n\r\n"),
    refused("the same Host twice", HOST, b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\nhost: corpus.example\r\n\r\n"),
    refused(
        "two Hosts with absolute-form", HOST, b"GET http://a.example/<id> HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n"
    ),
    *(refused(f"Host: {name}", HOST, b"GET /<id> HTTP/1.1\r\nHost: " + value + b"\r\n\r\n") for name, value in BAD_HOSTS.items()),
    passed(
        "Host with a port", HOST, b"GET /<id> HTTP/1.1\r\nHost: corpus.example:8080\r\n\r\n", b"Host: corpus.example:8080\r\n"
    ),
    passed("Host with an empty port", "RFC 3986 §3.2.3", b"GET /<id> HTTP/1.1\r\nHost: corpus.example:\r\n\r\n"),
    passed("Host with an IPv6 address", HOST, b"GET /<id> HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"Host: [::1]:80\r\n"),
    passed("Host with an underscore", HOST, b"GET /<id> HTTP/1.1\r\nHost: my_app.example\r\n\r\n", b"Host: my_app.example\r\n"),
    passed("HTTP/1.0 without Host", "RFC 9112 §3.2", b"GET /<id> HTTP/1.0\r\n\r\n", kept=False),
    refused("HTTP/1.0 with two Hosts", HOST, b"GET /<id> HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    passed(
        "absolute-form and Host agree",
        FORM,
        b"GET http://corpus.example/<id>?x HTTP/1.1\r\nHost: corpus.example\r\n\r\n",
        b"GET /<id>?x HTTP/1.1\r\nHost: corpus.example\r\n",
    ),
    passed(
        "absolute-form and Host disagree",
        FORM,
        b"GET http://corpus.example/<id> HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"Host: corpus.example\r\n",
        unheard=(b"evil.example",),
    ),
    Case(
        "Host does not outvote an absolute-form on the route",
        FORM,
        (b"GET http://private.example/<id> HTTP/1.1\r\nHost: corpus.example\r\n\r\n",),
        (302,),
        requests=0,
        kept=True,
    ),
    refused("absolute-form with an empty authority", "RFC 9110 §4.2.1", b"GET http:///<id> HTTP/1.1" + H),
    refused("absolute-form with a port alone", "RFC 9110 §4.2.1", b"GET http://:80/<id> HTTP/1.1" + H),
    refused("absolute-form with userinfo", "RFC 9110 §4.2.4", b"GET http://corpus.example@evil.example/<id> HTTP/1.1" + H),
    refused("absolute-form of another scheme", "RFC 9112 §3.2.2", b"GET ftp://corpus.example/<id> HTTP/1.1" + H),
    refused("absolute-form of a file", "RFC 9112 §3.2.2", b"GET file:///etc/<id> HTTP/1.1" + H),
    refused("absolute-form with one slash", "RFC 9112 §3.2.2", b"GET http:/<id> HTTP/1.1" + H),
    refused("absolute-form with a backslash", "RFC 9112 §3.2.2", b"GET http:\\\\corpus.example\\<id> HTTP/1.1" + H),
    passed(
        "absolute-form without a path",
        "RFC 9112 §3.2.1",
        b"GET http://corpus.example?<id> HTTP/1.1" + H,
        b"GET /?<id> HTTP/1.1\r\n",
    ),
    refused("authority-form without CONNECT", "RFC 9112 §3.2.3", b"GET corpus.example:80 HTTP/1.1" + H),
    refused("a path without its slash", "RFC 9112 §3.2.1", b"GET <id> HTTP/1.1" + H),
    refused("a query alone", "RFC 9112 §3.2.1", b"GET ?<id> HTTP/1.1" + H),
    refused("an asterisk without OPTIONS", "RFC 9112 §3.2.4", b"GET * HTTP/1.1\r\nHost: corpus.example\r\nX: <id>\r\n\r\n"),
    passed(
        "an asterisk with OPTIONS",
        "RFC 9112 §3.2.4",
        b"OPTIONS * HTTP/1.1\r\nHost: corpus.example\r\nX: <id>\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
    ),
    passed(
        "OPTIONS of an absolute-form without a path",
        "RFC 9112 §3.2.4",
        b"OPTIONS http://corpus.example HTTP/1.1\r\nHost: corpus.example\r\nX: <id>\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
    ),
    refused("an asterisk and more", "RFC 9112 §3.2.4", b"OPTIONS */<id> HTTP/1.1" + H),
    *(
        Case(
            f"to another route {name}",
            PATH,
            (b"GET " + target + b"<id> HTTP/1.1\r\nHost: corpus.example\r\nX: <id>\r\n\r\n",),
            (frozenset((302, 400)),),
            requests=0,
        )
        for name, target in SNEAKY.items()
    ),
    refused("NUL, escaped, in the path", PATH, b"GET /<id>%00/x HTTP/1.1" + H),
    refused("a broken escape in the path", PATH, b"GET /<id>/%zz HTTP/1.1" + H),
    refused("half an escape in the path", PATH, b"GET /<id>/%2 HTTP/1.1" + H),
    refused("an escape of IIS", PATH, b"GET /<id>/%u002e%u002e/x HTTP/1.1" + H),
    *(
        passed(f"as it came: {name}", EXACT, b"GET " + target + b" HTTP/1.1" + H, b"GET " + target + b" HTTP/1.1\r\n")
        for name, target in PLAIN.items()
    ),
    passed(
        "two slashes in front are no authority",
        "Python's urlsplit",
        b"GET //evil.example/<id> HTTP/1.1" + H,
        b"GET //evil.example/<id> ",
        b"Host: corpus.example\r\n",
    ),
    passed("a stripped prefix", EXACT, b"GET /stripped/<id>/%2Fx?y HTTP/1.1" + H, b"GET /<id>/%2Fx?y HTTP/1.1\r\n"),
    passed("a stripped prefix in disguise", PATH, b"GET /%73tripped/<id> HTTP/1.1" + H, b"GET /<id> HTTP/1.1\r\n"),
    Case(
        "no word of a client splits a redirect",
        "RFC 9110 §5.5; response splitting",
        (b"GET /moved/%0d%0aSet-Cookie:%20a=b?<id>%0d%0aX: HTTP/1.1".replace(b"X: ", b"X%3A ") + H,),
        (301,),
        requests=0,
        kept=True,
        ungot=(b"\r\nSet-Cookie",),
    ),
)
