"""A verb of the shell: a function that checks its arguments kindly, explains itself and knows what can follow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, overload

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.roles import Role
from twistedproxy.admin.tables import Column, table
from twistedproxy.spelling import nearest

T = TypeVar("T")

#: What an argument can be, given the arguments before it.
Completer = Callable[[Sequence[str]], Iterable[str]]

_NO_COMPLETERS: Final[tuple[Completer, ...]] = ()


class Verb:
    """
    A callable name of the shell.

    :ivar name: what is typed
    :ivar usage: the name with its arguments
    :ivar summary: one line
    :ivar detail: everything there is to say, without the summary
    :ivar completes: for every argument, what it can be
    :ivar required: arguments that must be given
    :ivar needs: the least role that may say it
    """

    def __init__(
        self,
        function: Callable[..., Any],
        completes: tuple[Completer, ...] = _NO_COMPLETERS,
        needs: Role = Role.OBSERVE,
    ) -> None:
        self._function = function
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        self.name = function.__name__
        self.usage = f"{self.name}({', '.join(_argument(parameter) for parameter in parameters)})"
        text = inspect.getdoc(function) or ""
        self.summary, _, detail = text.partition("\n")
        self.detail = detail.strip()
        self.completes = completes
        self.needs = needs
        self.required = sum(parameter.default is parameter.empty for parameter in parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do it.  Raises VerbError when the arguments are not the verb's, or when it cannot be done."""
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise VerbError(f"{self.usage}: {error}") from None
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{self.usage}: {self.summary}"


def _argument(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


class Listing(Sequence[T], Generic[T]):
    """
    Live objects that print as a table.

    A listing is a sequence of the objects themselves: ``pools()[0]``, ``pools()['app']``, ``for peer in peers('app')``.
    Its table is laid out anew, with the objects' present state, each time it is printed.
    """

    def __init__(
        self,
        items: Iterable[tuple[str, T]],
        columns: Sequence[Column],
        row: Callable[[T], Sequence[str]],
        width: Callable[[], int | None],
        *,
        empty: str,
    ) -> None:
        """*items* are objects with their names; *empty* is printed when there are none."""
        pairs = list(items)
        self._names = [name for name, _ in pairs]
        self._items = [item for _, item in pairs]
        self._columns = columns
        self._row = row
        self._width = width
        self._empty = empty

    @overload
    def __getitem__(self, key: int | str) -> T: ...

    @overload
    def __getitem__(self, key: slice) -> Sequence[T]: ...

    def __getitem__(self, key: int | str | slice) -> T | Sequence[T]:
        if isinstance(key, str):
            return self._items[self._names.index(known("item", key, self._names))]
        return self._items[key]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __repr__(self) -> str:
        if not self._items:
            return self._empty
        return table(self._columns, [self._row(item) for item in self._items], self._width())


class Said(str):
    """A sentence that prints as itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def known(what: str, name: object, names: Iterable[str]) -> str:
    """*name*, which must be one of *names*.  Raises VerbError, with the nearest of them, when it is not."""
    names = list(names)
    if name in names:
        return str(name)
    text = str(name)
    near = next((candidate for candidate in names if text and text in candidate), None) or nearest(text, names)
    if near is not None:
        raise VerbError(f"there is no {what} {name!r}; did you mean {near!r}?")
    raise VerbError(f"there is no {what} {name!r}; known: {', '.join(map(repr, names[:20])) or 'none'}")
