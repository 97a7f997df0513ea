"""What is said about values that rewrite, when they are wrong."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, errors, warnings


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("request_headers = set X-A {status}", "{status} is not known before there is an answer"),
        ("response_headers = set X-A {hots}", "did you mean {host}?"),
        ("response_headers = set X-A {", "a brace stands alone"),
        ("request_id = X-Id:", "write X-Id"),
        ("request_id = Content-Length", "leave it to the proxy"),
        ("rewrite = ^/a", "write for instance ^/old/(.*) /new/\\1"),
        ("rewrite = ^/(a /b", "is not a regular expression"),
        ("rewrite = ^/(a) /$1", "write \\1 for the first group"),
        ("rewrite = ^/(a) /\\2", "does not fit the regular expression"),
        ("rewrite = ^/(a) b", "write /b"),
        ("rewrite = ^/(a) https://b/", "to send clients elsewhere, write redirect = …"),
        ("rewrite = ^/(a) /{status}", "not known before there is an answer"),
        ("add_prefix = v1", "write /v1"),
        ("rewrite_location = app /", "is not the beginning of a URL"),
        ("rewrite_location = perr", "write for instance peer"),
        ("rewrite_location = / /{nobody}", "is not a name of templates"),
        ("cookie_domain = a", "write for instance app.internal {host}"),
        ("cookie_domain = a b_!", "is not a host name"),
        ("cookie_path = a b", "is not two paths"),
        ("cookie_flags = a", "write for instance * secure samesite=lax"),
        ("cookie_flags = a sicure", "did you mean secure?"),
        ("cookie_flags = a secure nosecure", "says two things of one flag"),
        ("cookie_flags = a samesite=none", "add secure"),
        ("cors = same", "leave same out"),
        ("cors = a.example", "is not an origin"),
        ("cors = *\ncors_credentials = yes", "name the origins that may"),
        ("cors_methods = get", "write GET"),
        ("cors_headers = a,", "without commas"),
        ("substitute = a", 'write for instance "old text" new'),
        ('substitute = "a b', "write double quotes around the whole of it"),
        ("substitute = ~ ( b", "is not a regular expression"),
        ("substitute = ~ a* b", "write + in the place of *"),
        ("substitute = ~ a \\2", "does not fit the regular expression"),
        ("substitute = a {nobody}", "is not a name of templates"),
        ("substitute_types = html", "is not a media type"),
        ("forwarded = rfc7329", "did you mean rfc7239?"),
        ("security_headers = strikt", "did you mean strict?"),
        ("traceparent = yes", "is not known here"),
    ],
)
def test_a_mistake_is_told_with_a_remedy(line: str, said: str) -> None:
    (error,) = errors(SMALL.rstrip() + "\n" + line + "\n")
    assert said in error


def test_defaults_may_name_methods_of_cors_for_routes_that_have_it() -> None:
    assert warnings(SMALL + "[defaults]\ncors_methods = GET\n") == []
