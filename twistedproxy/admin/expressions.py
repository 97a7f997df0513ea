"""
Expressions that choose requests: ``status >= 500 and route == '/api/'``, for the shell's ``tail`` and ``trace``.

They look like Python, and are none: the text is parsed into Python's syntax tree, and each kind of node that has a meaning here
is made into a function; every other is an error.  Nothing of what an operator writes is ever run.

Operands
    names of templates (``status``, ``route``, ``uri``, ``request_time``), those with an argument as ``header.user_agent`` or
    ``header['User-Agent']``; numbers; text in quotes
Comparisons
    ``==  !=``  of text, or of numbers where a number is on either side; ``<  <=  >  >=``  of numbers, chained as in
    ``400 <= status < 500``; ``in`` and ``not in``: one of several (``status in (502, 504)``), or a part of a text
    (``'/v2/' in uri``)
Words
    ``starts(uri, '/api/')``, ``ends(uri, '.js')``, ``like(uri, '/a/*/b')`` where ``*`` is anything,
    ``within(client, '10.0.0.0/8')``
Joined
    by ``and``, ``or``, ``not`` and parentheses; a name by itself is true unless its value is empty, ``-`` or ``0``

What is not known of a request has the value ``-``, and is no number: every comparison of it with one is false, but for ``!=``.
Times are seconds.  There are no regular expressions, since some take for ever.
"""

from __future__ import annotations

import ast
import ipaddress
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twistedproxy.forward.values import value_of
from twistedproxy.spelling import choose_from
from twistedproxy.templates import LOG_NAMES

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Gives the value of a template's name.
LookUp = Callable[[str], str]
_Test = Callable[[LookUp], bool]
_Value = Callable[[LookUp], str]

#: Characters and nodes of the longest expression.
_LONGEST: Final = 2000
_MOST_NODES: Final = 300
#: Values that are as good as none.
_NOTHING: Final = frozenset(("", "-", "0"))
_ORDERS: Final[dict[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EXAMPLE: Final = "write for instance status >= 500 and route == '/api/'"


class ExpressionError(ValueError):
    """A text is no expression; the message says why, and what could be meant."""


class Expression:
    """
    A parsed expression.

    :ivar text: as it was written
    :ivar names: the names in it, as templates have them
    """

    def __init__(self, text: str) -> None:
        """
        Understand *text*.

        :raises ExpressionError: that cannot be done
        """
        if not isinstance(text, str) or not text.strip():
            raise ExpressionError(f"an expression is a text; {_EXAMPLE}")
        if len(text) > _LONGEST:
            raise ExpressionError(f"an expression has {_LONGEST} characters at most")
        try:
            with warnings.catch_warnings(action="ignore"):
                body = ast.parse(text.strip(), mode="eval").body
            if sum(1 for _ in ast.walk(body)) > _MOST_NODES:
                raise ExpressionError("the expression is too large")
            reading = _Reading()
            self._test = reading.test(body)
        except ExpressionError:
            raise
        except SyntaxError as error:
            raise ExpressionError(f"{error.msg} at character {error.offset}; {_EXAMPLE}") from None
        except (ValueError, RecursionError, MemoryError):
            raise ExpressionError(f"that cannot be read; {_EXAMPLE}") from None
        self.text = text.strip()
        self.names = frozenset(reading.names)

    def holds(self, exchange: Exchange) -> bool:
        """Whether *exchange* is one of those that are meant."""
        return self.holds_for(lambda name: value_of(exchange, name))

    def holds_for(self, look_up: LookUp) -> bool:
        """Whether it is true for the values that *look_up* gives."""

        def known(name: str) -> str:
            try:
                return look_up(name)
            except KeyError:  # a table that there is not, and may be after a reload
                return "-"

        return self._test(known)

    def __repr__(self) -> str:
        return f"<Expression {self.text}>"


class _Reading:
    """Makes functions of nodes; what is not mentioned here has no meaning."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def test(self, node: ast.expr) -> _Test:
        """*node* as something that is true or false."""
        if isinstance(node, ast.BoolOp):
            tests = [self.test(value) for value in node.values]
            if isinstance(node.op, ast.And):
                return lambda look_up: all(test(look_up) for test in tests)
            return lambda look_up: any(test(look_up) for test in tests)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.test(node.operand)
            return lambda look_up: not inner(look_up)
        if isinstance(node, ast.Compare):
            return self._comparisons(node)
        if isinstance(node, ast.Call):
            return self._word(node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            value = self._named(node)
            return lambda look_up: value(look_up) not in _NOTHING
        raise _no_meaning(node)

    def _comparisons(self, node: ast.Compare) -> _Test:
        operands = [node.left, *node.comparators]
        tests = [
            self._comparison(left, relation, right)
            for left, relation, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return tests[0] if len(tests) == 1 else lambda look_up: all(test(look_up) for test in tests)

    def _comparison(self, left: ast.expr, relation: ast.cmpop, right: ast.expr) -> _Test:
        if isinstance(relation, ast.In | ast.NotIn):
            found = self._contained(left, right)
            return found if isinstance(relation, ast.In) else lambda look_up: not found(look_up)
        one, other = self._value(left), self._value(right)
        order = _ORDERS.get(type(relation))
        if order is not None:
            for side in (left, right):
                if isinstance(side, ast.Constant) and isinstance(side.value, str):
                    raise ExpressionError(f"< and > compare numbers; write {ast.unparse(side)} without quotes")
            return lambda look_up: _ordered(order, one(look_up), other(look_up))
        if isinstance(relation, ast.Eq | ast.NotEq):
            same = _same_number if _is_number(left) or _is_number(right) else operator.eq
            if isinstance(relation, ast.Eq):
                return lambda look_up: bool(same(one(look_up), other(look_up)))
            return lambda look_up: not same(one(look_up), other(look_up))
        raise ExpressionError(f"'is' has no meaning here; write == or !=; {_EXAMPLE}")

    def _contained(self, left: ast.expr, right: ast.expr) -> _Test:
        one = self._value(left)
        if isinstance(right, ast.Tuple | ast.List | ast.Set):
            tests = [self._comparison(left, ast.Eq(), each) for each in right.elts]
            return lambda look_up: any(test(look_up) for test in tests)
        other = self._value(right)
        return lambda look_up: one(look_up) in other(look_up)

    def _value(self, node: ast.expr) -> _Value:
        """*node* as something that has a text."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = _latin(node.value)
            return lambda look_up: text
        if _is_number(node):
            number = ast.unparse(node)
            return lambda look_up: number
        return self._named(node)

    def _named(self, node: ast.expr) -> _Value:
        name = self._name(node)
        self.names.add(name)
        return lambda look_up: look_up(name)

    def _name(self, node: ast.expr) -> str:
        """The template's name that *node* is."""
        if isinstance(node, ast.Name):
            name = node.id
            if name + "." in LOG_NAMES:
                raise ExpressionError(f"{name} needs a name: {name}.page, or {name}['page']")
            if name not in LOG_NAMES:
                known = sorted(each for each in LOG_NAMES if not each.endswith("."))
                raise ExpressionError(f"{name} is no name of requests; {choose_from(name, known)}")
            return name
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            stem, argument = node.value.id, node.attr
            if stem == "header":
                argument = argument.replace("_", "-")
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            stem, argument = node.value.id, node.slice.value
        else:
            raise _no_meaning(node)
        if stem + "." not in LOG_NAMES and f"{stem}.{argument}" not in LOG_NAMES:
            known = sorted(each.rstrip(".") for each in LOG_NAMES if "." in each)
            raise ExpressionError(f"{stem}.{argument} is no name of requests; {choose_from(f'{stem}.{argument}', known)}")
        if not argument or not argument.isascii():
            raise ExpressionError(f"{stem} takes a name of plain letters")
        return f"{stem}.{argument.lower() if stem == 'header' else argument}"

    def _word(self, node: ast.Call) -> _Test:
        """One of the words that take a value and a text."""
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        word = _WORDS.get(name)
        if word is None:
            raise ExpressionError(f"there is no word {name}(); {choose_from(name, _WORDS)}")
        if len(node.args) != 2 or node.keywords or isinstance(node.args[0], ast.Starred):
            raise ExpressionError(f"{name}() takes a name and a text, as in {name}({_EXAMPLES[name]})")
        given = node.args[1]
        if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
            raise ExpressionError(f"the second of {name}() is a text in quotes, as in {name}({_EXAMPLES[name]})")
        value, test = self._value(node.args[0]), word(_latin(given.value))
        return lambda look_up: test(value(look_up))


def _no_meaning(node: ast.AST) -> ExpressionError:
    return ExpressionError(f"{ast.unparse(node)[:60]} has no meaning here; {_EXAMPLE}")


def _latin(text: str) -> str:
    """*text* as values are: the bytes of requests, taken as Latin-1."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _ordered(order: Callable[[float, float], bool], one: str, other: str) -> bool:
    left, right = _number(one), _number(other)
    return left is not None and right is not None and order(left, right)


def _same_number(one: str, other: str) -> bool:
    left, right = _number(one), _number(other)
    return left is not None and left == right


def _starts(text: str) -> Callable[[str], bool]:
    return lambda value: value.startswith(text)


def _ends(text: str) -> Callable[[str], bool]:
    return lambda value: value.endswith(text)


def _like(text: str) -> Callable[[str], bool]:
    """With ``*`` for anything: the pieces between are looked for one behind the other, which takes linear time."""
    first, *rest = text.split("*")
    if not rest:
        return lambda value: value == text
    *middle, last = rest
    return lambda value: _in_order(value, first, middle, last)


def _in_order(value: str, first: str, middle: Sequence[str], last: str) -> bool:
    if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
        return False
    position, end = len(first), len(value) - len(last)
    for piece in middle:
        found = value.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _within(text: str) -> Callable[[str], bool]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ExpressionError(f"{text!r} is no network; write for instance within(client, '10.0.0.0/8')") from None

    def test(value: str) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return test


_WORDS: Final[dict[str, Callable[[str], Callable[[str], bool]]]] = {
    "starts": _starts,
    "ends": _ends,
    "like": _like,
    "within": _within,
}
_EXAMPLES: Final[dict[str, Any]] = {
    "starts": "uri, '/api/'",
    "ends": "path, '.js'",
    "like": "uri, '/a/*/b'",
    "within": "client, '10.0.0.0/8'",
}
