"""Clients that ask again and again, on kept connections, until they are told to stop."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.real.client import Answer, Client, request
from tests.real.programs import eventually


class Load:
    """
    Some clients in threads.

    :param who: what of a body is counted; the whole of it without
    :ivar answers: how often each came, with status 200
    :ivar failures: everything else, in words
    """

    def __init__(self, port: int, path: str = "/", clients: int = 4, who: Callable[[bytes], str] = bytes.decode) -> None:
        self._who = who
        self._port = port
        self._request = request(path)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def total(self) -> int:
        """Answers so far."""
        return sum(self.answers.values())

    def more(self, count: int) -> None:
        """Return when *count* more answers have come."""
        until = self.total + count
        eventually(lambda: self.total >= until or self.failures, lambda: f"{count} more answers, had {self.answers}")

    def counted(self, count: int) -> Counter[str]:
        """The next *count* answers, or a few more, by who gave them."""
        with self._lock:
            before = Counter(self.answers)
        self.more(count)
        with self._lock:
            return self.answers - before

    def _leaves(self, answer: Answer) -> bool:
        """Whether a client comes again after *answer*, on another connection; never, unless the connection is closed to it."""
        return False

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                with Client(self._port) as client:
                    while not self._stop.is_set():
                        client.send(self._request)
                        answer = client.answer()
                        with self._lock:
                            if answer.status == 200 and answer.whole:
                                self.answers[self._who(answer.body)] += 1
                            else:
                                self.failures.append(f"{answer.head!r} {answer.body!r}")
                        if self._leaves(answer):
                            break
            except OSError as error:
                with self._lock:
                    self.failures.append(repr(error))
