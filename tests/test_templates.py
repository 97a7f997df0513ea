"""Templates: what is put in, what is refused when a site is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.templates import LOG_NAMES, REQUEST_NAMES, Template


def test_names_are_looked_up_and_put_in() -> None:
    template = Template.parse("https://{host}{uri}?a={header.X-Beta}")
    assert template.names == ("host", "uri", "header.x-beta")
    assert template.render(lambda name: f"<{name}>") == "https://<host><uri>?a=<header.x-beta>"


def test_cookies_and_arguments_keep_their_letter_case() -> None:
    assert Template.parse("{cookie.Id}{arg.Page}").names == ("cookie.Id", "arg.Page")


def test_doubled_braces_stand_for_themselves() -> None:
    template = Template.parse('{{"client": "{client}"}}')
    assert template.render(lambda name: "c") == '{"client": "c"}'


def test_a_template_without_names_is_constant() -> None:
    assert Template.parse("a {{b}}").is_constant
    assert Template.parse("a {{b}}").render(str.upper) == "a {b}"
    assert not Template.parse("{host}").is_constant


def test_templates_with_the_same_text_are_equal() -> None:
    assert Template.parse("{host}") == Template.parse("{host}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{hots}", "{hots} is not a name of templates; did you mean {host}?"),
        ("{nobody}", "{nobody} is not a name of templates"),
        ("{request_idd}", "did you mean {request_id}?"),
        ("{header}", "{header} needs a name after a dot; write for instance {header.user-agent}"),
        ("{header.}", "{header.} needs a name after the dot"),
        ("{cookie.a b}", "{cookie.a b} needs a name after the dot"),
        ("{host.x}", "{host.x} is not a name of templates; did you mean {host}?"),
        ("{}", "{} is not a name of templates"),
        ("a}b", "a brace stands alone at character 2; write {{ or }} for the brace itself"),
        ("{host", "a brace stands alone at character 1"),
    ],
)
def test_mistakes_are_told_with_a_remedy(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Template.parse(text)
    assert said in str(caught.value)


def test_what_is_known_only_at_the_end_cannot_stand_in_an_answer() -> None:
    assert REQUEST_NAMES < LOG_NAMES
    with pytest.raises(ValueError, match="not known before there is an answer"):
        Template.parse("{request_time}", REQUEST_NAMES)


@given(st.text())
def test_escaped_text_is_rendered_as_it_was(text: str) -> None:
    assert Template.parse(text.replace("{", "{{").replace("}", "}}")).render(str) == text


@given(st.text(alphabet="{}ahost."))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    try:
        template = Template.parse(text)
    except ValueError:
        return
    assert len(template.literals) == len(template.names) + 1
