"""
What keys that may not program can type: calls of verbs with literal arguments, and what their objects show.

    drain('app', 'app1:3000', minutes=10)
    pool('app').peer('app1:3000').weight
    peers('app')[0].checks
    with dry_run(): remove_peer('app', 'app2:3000')

It looks like Python and is walked through, node by node, here; none of it is run.  A name is a verb that the key may say, or
nothing.  An attribute is looked up only on the objects of :mod:`twistedproxy.admin.objects`, and only if it stands in their
surface; text, numbers, tables and all else have none.  Whatever else Python has (operators, comprehensions, lambdas, assignments,
f-strings, imports) has no meaning.  So there is no way from here to an object of Python's or of the proxy's.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

from twistedproxy.admin.interpreter import Interpreter, Screen, VerbError
from twistedproxy.admin.live_object import LiveObject
from twistedproxy.admin.objects import OBJECTS, PLAIN, Objects
from twistedproxy.admin.patience import Step
from twistedproxy.admin.roles import Role
from twistedproxy.admin.verb import Listing, Said, Verb
from twistedproxy.spelling import choose_from

#: Nodes of the largest statement.
_MOST_NODES: Final = 2000
_LEAVE: Final = ("exit", "quit")


class Limited(Interpreter):
    """
    The interpreter of a key that may not program.

    :param verbs: what it may say, by name
    :param others: what others may, by name, with the role that it takes
    """

    def __init__(self, verbs: Mapping[str, Verb], others: Mapping[str, Role], objects: Objects, screen: Screen) -> None:
        super().__init__(dict(verbs), screen)
        self._verbs = verbs
        self._others = others
        self._objects = objects

    def steps(self, source: str) -> list[Step]:
        """What *source* asks for."""
        tree = ast.parse(source, "<shell>")
        if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
            raise SyntaxError("that is too much at once")
        return [lambda statement=statement: self._state(statement) for statement in tree.body]  # type: ignore[misc]

    def _state(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Expr):
            self.display(self.value(statement.value))
            return
        if isinstance(statement, ast.With) and len(statement.items) == 1:
            item = statement.items[0]
            if ast.unparse(item) == "dry_run()":
                with self._verb("dry_run")():
                    for inner in statement.body:
                        self._state(inner)
                return
        raise _refusal(statement)

    def value(self, node: ast.expr) -> Any:
        """
        What *node* stands for: something plain, a table, an object with a surface, or what a verb has returned.

        Raises VerbError for all that has no meaning here.
        """
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Name):
            return Said(repr(self._verb(node.id)))
        if isinstance(node, ast.Attribute):
            owner = self._owner(node)
            if node.attr in owner.values:
                found = getattr(owner, node.attr)
                if isinstance(found, Listing):
                    return found
                return self._objects.of(found)
            if node.attr in owner.actions:
                raise VerbError(f"{node.attr} is something to be done: write {ast.unparse(node)}(…)")
            raise VerbError(f"there is no {node.attr!r} here; {choose_from(node.attr, [*owner.values, *owner.actions])}")
        if isinstance(node, ast.Subscript):
            return self._item(node)
        return _literal(node)

    def _call(self, node: ast.Call) -> Any:
        function = node.func
        if isinstance(function, ast.Name):
            if function.id in _LEAVE:
                raise SystemExit
            called: Any = self._verb(function.id)
            if function.id == "help" and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
                return called(self._verb(node.args[0].id))
        elif isinstance(function, ast.Attribute):
            owner = self._owner(function)
            if function.attr not in owner.actions:
                what = choose_from(function.attr, sorted(owner.actions) or ["nothing"])
                raise VerbError(f"there is nothing called {function.attr!r} to be done here; {what}")
            called = getattr(owner, function.attr)
        else:
            raise _refusal(node)
        if any(keyword.arg is None for keyword in node.keywords):
            raise _refusal(node)
        arguments = [_literal(argument) for argument in node.args]
        options = {str(keyword.arg): _literal(keyword.value) for keyword in node.keywords}
        try:
            return called(*arguments, **options)
        except TypeError as error:
            # An argument of a kind for which nobody has found words.
            raise VerbError(f"{ast.unparse(node)[:80]}: {error}") from None

    def _verb(self, name: str) -> Verb:
        found = self._verbs.get(name)
        if found is not None:
            return found
        if name in self._others:
            raise VerbError(f"{name} takes a key with the role {self._others[name]}")
        raise VerbError(f"there is no verb {name!r}; {choose_from(name, self._verbs)}")

    def _owner(self, node: ast.Attribute) -> LiveObject:
        """The object before the dot."""
        owner = self.value(node.value)
        if type(owner) not in OBJECTS:
            raise VerbError(f"{ast.unparse(node.value)[:80]} has no .{node.attr}")
        found: LiveObject = owner
        return found

    def _item(self, node: ast.Subscript) -> Any:
        listing = self.value(node.value)
        if type(listing) is not Listing:
            raise _refusal(node)
        key = _literal(node.slice)
        if type(key) not in (int, str):
            raise _refusal(node)
        try:
            return self._objects.of(listing[key])
        except IndexError:
            raise VerbError(f"there are {len(listing)} of them, counted from 0") from None


def _literal(node: ast.expr) -> Any:
    """A plain value, or a list of such.  Raises VerbError for everything else."""
    if isinstance(node, ast.Constant) and type(node.value) in PLAIN:
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _literal(node.operand)
        if type(number) in (int, float):
            return -number
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_literal(each) for each in node.elts)
    raise _refusal(node)


def _refusal(node: ast.AST) -> VerbError:
    what = ast.unparse(node).splitlines()[0][:60]
    return VerbError(f"{what} takes a key with the role program; this one may say verbs with plain arguments: help() lists them")
