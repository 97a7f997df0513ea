"""Crowds in which anything may happen at any moment: a whole answer is the right one, and nothing is left behind."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.test_caching import SITE

SMALL_LIMIT = SITE.replace("directory = cache", "directory = cache\nmax_entry = 600k").replace(
    "keepalive_timeout", "max_fails = 0\nkeepalive_timeout"
)


class Answer:
    """What an origin is about to say, piece by piece."""

    def __init__(self, chance: random.Random, origin: Party, number: int) -> None:
        size = chance.choice((0, 5, 1000, 262_144, 262_145, 700_000))
        body = random.Random(number).randbytes(size)
        cacheable = chance.random() < 0.8
        chunked = chance.random() < 0.5
        fields = "Cache-Control: max-age=60" if cacheable else "Cache-Control: private"
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        self.origin = origin
        self.body = body
        step = chance.choice((1000, 90_000, 300_000))
        pieces = [body[start : start + step] for start in range(0, size, step)]
        self.pieces: list[bytes] = [f"HTTP/1.1 200 OK\r\nX-Number: {number}\r\n{fields}\r\n{framing}\r\n\r\n".encode()]
        if chunked:
            self.pieces += [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
        else:
            self.pieces += pieces


@pytest.mark.parametrize("seed", range(25))
def test_whole_answers_are_right(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    bodies: list[bytes] = []
    with Play(SMALL_LIMIT, tmp_path) as play:
        clients: list[Party] = []
        origins: list[Party] = []
        answers: list[Answer] = []
        gone: set[Party] = set()
        for _ in range(60):
            while play._unclaimed:
                origins.append(play.origin())
            for origin in origins:
                while b"\r\n\r\n" in origin.heard:
                    origin.overlooks()
                    answers.append(Answer(chance, origin, len(bodies)))
                    bodies.append(answers[-1].body)
            move = chance.random()
            living = [client for client in clients if client not in gone]
            if move < 0.25 and len(clients) < 12:
                client = play.client()
                clients.append(client)
                if chance.random() < 0.3:
                    client.stops_reading(chance.choice((100, 100_000)))
                client.says("GET / HTTP/1.1\nHost: example.com" + chance.choice(("", "\nCookie: a=b")))
            elif move < 0.33 and living:
                client = chance.choice(living)
                gone.add(client)
                if not client.has_left:
                    client.resets()
            elif move < 0.38 and living:
                chance.choice(living).reads_on()
            elif move < 0.41 and answers:
                answer = answers.pop(chance.randrange(len(answers)))
                if not answer.origin.is_closed:
                    answer.origin.resets()
            elif move < 0.43:
                play.caches["pages"].purge(b"http://example.com/")
            elif answers:
                _say(chance.choice(answers), answers)
        _finish(play, clients, origins, answers, bodies, gone, chance)
        for client in clients:
            heard = client.overlooks()
            if client not in gone:
                _check(heard, bodies)
        assert play.in_flight() == 0
        assert not play.caches["pages"].fetches._fetches
        for origin in origins:
            origin.overlooks()


def _say(answer: Answer, answers: list[Answer]) -> None:
    if answer.origin.is_closed or answer.origin.has_left:
        answers.remove(answer)
        return
    answer.origin.says(answer.pieces.pop(0))
    if not answer.pieces:
        answers.remove(answer)


def _finish(
    play: Play,
    clients: list[Party],
    origins: list[Party],
    answers: list[Answer],
    bodies: list[bytes],
    gone: set[Party],
    chance: random.Random,
) -> None:
    """Everybody reads, and every origin says what it has to say."""
    for client in clients:
        if client not in gone:
            client.reads_on()
    busy = True
    while busy:
        busy = False
        while play._unclaimed:
            origins.append(play.origin())
        for origin in origins:
            if b"\r\n\r\n" in origin.heard:
                origin.overlooks()
                answers.append(Answer(chance, origin, len(bodies)))
                bodies.append(answers[-1].body)
        while answers:
            busy = True
            _say(answers[0], answers)


def _check(heard: bytes, bodies: list[bytes]) -> None:
    """An answer that is whole must be the one that its number says; others have been cut, or are errors."""
    head, mark, rest = heard.partition(b"\r\n\r\n")
    if not mark:
        return
    if b" 200 " not in head:
        assert b" 502 " in head
        return
    number = int(head.partition(b"X-Number: ")[2].split(b"\r\n")[0])
    if b"Transfer-Encoding: chunked" not in head:
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        if len(rest) < length:
            return
        assert rest == bodies[number]
        return
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            assert body == bodies[number]
            return
        body, rest = body + rest[:length], rest[length + 2 :]
