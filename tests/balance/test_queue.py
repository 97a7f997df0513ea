"""Who waits, in which order, and who hears of it."""

from __future__ import annotations

from twistedproxy.balance.queue import Queue, Turn


class Somebody:
    """Waits until the desk has room; in vain if *particular*."""

    def __init__(self, name: str, desk: Desk, particular: bool = False) -> None:
        self.name = name
        self.desk = desk
        self.particular = particular

    def call(self) -> None:
        self.desk.calls.append(self.name)

    def try_again(self) -> Turn:
        self.desk.asked.append(self.name)
        if self.particular:
            return Turn.WAITS
        if not self.desk.room:
            return Turn.FULL
        self.desk.room -= 1
        self.desk.served.append(self.name)
        return Turn.WENT


class Desk:
    """A queue, and what happened at it."""

    def __init__(self, length: int = 10) -> None:
        self.queue = Queue(length)
        self.room = 0
        self.calls: list[str] = []
        self.asked: list[str] = []
        self.served: list[str] = []

    def come(self, names: str, *, particular: bool = False) -> list[Somebody]:
        everybody = [Somebody(name, self, particular) for name in names]
        self.joined = [self.queue.join(each, particular=particular) for each in everybody]
        return everybody


def test_first_in_is_first_out() -> None:
    desk = Desk()
    desk.come("abc")
    assert (len(desk.queue), desk.queue.waits) == (3, 3)
    desk.room = 2
    desk.queue.tell()
    desk.queue.serve()
    assert desk.served == ["a", "b"]
    assert len(desk.queue) == 1
    desk.come("d")
    desk.room = 5
    desk.queue.tell()
    desk.queue.serve()
    assert desk.served == ["a", "b", "c", "d"]


def test_there_are_only_so_many_places() -> None:
    desk = Desk(length=2)
    desk.come("abc")
    assert desk.joined == [True, True, False]
    assert (len(desk.queue), desk.queue.refused, desk.queue.waits) == (2, 1, 2)


def test_who_leaves_is_not_asked_and_loses_nobody_a_place() -> None:
    desk = Desk()
    a, b, _ = desk.come("abc")
    desk.queue.leave(a)
    desk.queue.leave(b, timed_out=True)
    assert (desk.queue.left, desk.queue.timeouts, len(desk.queue)) == (1, 1, 1)
    desk.room = 1
    desk.queue.tell()
    desk.queue.serve()
    assert desk.asked == ["c"]


def test_only_the_first_is_called_and_only_once_until_the_queue_is_served() -> None:
    desk = Desk()
    desk.queue.tell()
    desk.come("ab")
    desk.queue.tell()
    desk.queue.tell()
    assert desk.calls == ["a"]
    desk.queue.serve()
    desk.queue.tell()
    assert desk.calls == ["a", "a"]


def test_when_there_is_no_room_for_one_the_others_are_not_asked() -> None:
    desk = Desk()
    everybody = desk.come("abc")
    desk.queue.tell()
    desk.queue.serve()
    assert desk.asked == ["a"]
    assert list(desk.queue._waiters) == everybody


def test_who_is_particular_keeps_its_place_and_is_overtaken_by_those_who_are_not() -> None:
    desk = Desk()
    (a,) = desk.come("a", particular=True)
    desk.come("b")
    (c,) = desk.come("c", particular=True)
    desk.room = 1
    desk.queue.tell()
    desk.queue.serve()
    assert desk.served == ["b"]
    assert desk.asked == ["a", "b", "c"]
    assert list(desk.queue._waiters) == [a, c]


def test_who_comes_takes_its_place_behind_those_who_wait_for_any_peer() -> None:
    desk = Desk()
    assert not desk.queue.is_before
    desk.come("a", particular=True)
    assert not desk.queue.is_before  # that one waits for a certain peer, and stands in nobody's way
    desk.come("b")
    assert desk.queue.is_before
    desk.queue.tell()
    assert desk.queue.is_before  # room is b's
    desk.room = 1
    desk.queue.serve()
    assert not desk.queue.is_before


def test_who_comes_while_the_queue_is_about_to_be_served_is_served_with_it() -> None:
    desk = Desk()
    desk.come("a")
    desk.room = 2
    desk.queue.tell()
    desk.come("b")
    desk.queue.serve()
    assert desk.served == ["a", "b"]
