"""Threads for apps that block: so many and no more, and a queue that is not longer than was said."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]


class Threads:
    """
    Threads, made when there is work; they do not keep the process from ending.

    :param number: of threads, at most
    :param most_waiting: pieces of work that wait for one, at most
    :ivar busy: threads at work
    """

    def __init__(self, called: str, number: int, most_waiting: int) -> None:
        self.number = number
        self.busy = 0
        self._called = called
        self._most_waiting = most_waiting
        self._made = 0
        self._idle = 0
        self._works: deque[Work] = deque()
        self._stopping = False
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """Pieces of work that wait for a thread."""
        return max(0, len(self._works) - (self.number - self.busy))

    def begin(self, work: Work) -> bool:
        """Have *work* done, now or when a thread is free; False: there is no room for it.  *work* raises nothing."""
        with self._changed:
            if len(self._works) >= self.number - self.busy + self._most_waiting:
                return False
            self._works.append(work)
            if self._idle >= len(self._works):
                self._changed.notify()
            elif self._made < self.number:
                self._made += 1
                threading.Thread(target=self._run, name=self._called, daemon=True).start()
            return True

    def forget(self, work: Work) -> None:
        """*work* need not be done if it has not begun."""
        with self._changed:
            if work in self._works:
                self._works.remove(work)

    def stop(self) -> None:
        """What waits is done, and then the threads end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._works and not self._stopping:
                    self._changed.wait()
                self._idle -= 1
                if not self._works:
                    self._made -= 1
                    return
                work = self._works.popleft()
                self.busy += 1
            try:
                work()
            finally:
                with self._changed:
                    self.busy -= 1
