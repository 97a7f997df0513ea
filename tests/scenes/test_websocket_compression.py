"""permessage-deflate: negotiated with the client and with the peer, each for itself (RFC 7692)."""

from __future__ import annotations

import itertools
import zlib

import pytest

from tests.kit.frames import CLOSE, TEXT, closing, deflated, frame, from_client, heard, hears_frame, inflated, whole
from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.test_websocket_messages import AGREED, ASKED_ON, ASKS, MESSAGES

OFFERS = ASKS.rstrip() + "\n    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\n"
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
SPEAKS = "Sec-WebSocket-Extensions: permessage-deflate"
HELLO = "hello, hello, hello, hello, hello, hello, hello, hello, hello"


def with_line(head: str, line: str) -> str:
    """*head* with a line before those of the upgrade."""
    return (
        head.replace("    Via", f"    {line}\n    Via")
        if "Via" in head
        else head.replace("    Upgrade:", f"    {line}\n    Upgrade:")
    )


def opened(play: Play, *, client: bool, peer: bool, compress: str) -> tuple[Party, Party]:
    """A WebSocket between a client and an origin that both can compress, or cannot."""
    one = play.client()
    one.says(OFFERS if client else ASKS)
    other = play.origin()
    asked = ASKED_ON
    offered = compress in ("peer", "both")
    if offered:
        asked = asked.replace("    Connection", f"    {OFFER}\n    Connection")
    other.hears(asked)
    other.says(AGREED.replace("    Upgrade:", f"    {SPEAKS}\n    Upgrade:") if peer and offered else AGREED)
    accepted = client and compress in ("client", "both")
    one.hears(AGREED.replace("    Upgrade:", f"    {SPEAKS}\n    Upgrade:") if accepted else AGREED)
    return one, other


@pytest.mark.parametrize(
    ("compress", "client", "peer"), list(itertools.product(("no", "client", "peer", "both"), (False, True), (False, True)))
)
def test_each_side_speaks_as_it_has_agreed(compress: str, client: bool, peer: bool) -> None:
    with Play(f"{MESSAGES}websocket_compress = {compress}\n") as play:
        one, other = opened(play, client=client, peer=peer, compress=compress)
        by_client = client and compress in ("client", "both")
        by_peer = peer and compress in ("peer", "both")
        for say, speaker, listener, speaks, hears in (
            (from_client, one, other, by_client, by_peer),
            (frame, other, one, by_peer, by_client),
        ):
            speaker.says(say(TEXT, deflated(HELLO.encode()) if speaks else HELLO, rsv=4 if speaks else 0))
            (message,) = heard(listener)
            assert message.rsv == (4 if hears else 0)
            assert (inflated(message.payload) if hears else message.payload) == HELLO.encode()
            # Small ones, and those that the sender does not compress, may come plain (RFC 7692 §6).
            speaker.says(say(TEXT, "plain"))
            hears_frame(listener, TEXT, "plain")


def test_a_side_may_compress_only_what_was_agreed() -> None:
    with Play(MESSAGES) as play:
        one, other = opened(play, client=False, peer=False, compress="client")
        one.says(from_client(TEXT, deflated(b"x"), rsv=4))
        (end,) = heard(other)
        assert end.close[0] == 1001
        other.leaves()
        (end,) = heard(one)
        assert end.close[0] == 1002
        one.sees_end()


def test_a_message_in_fragments_is_inflated_as_one() -> None:
    with Play(MESSAGES) as play:
        one, other = opened(play, client=True, peer=False, compress="client")
        data = deflated(b"grau ist alle Theorie " * 1000)
        pieces = [data[at : at + 7] for at in range(0, len(data), 7)]
        for number, piece in enumerate(pieces):
            first, last = number == 0, number == len(pieces) - 1
            one.says(from_client(TEXT if first else 0, piece, fin=last, rsv=4 if first else 0))
        assert whole(heard(other)) == (TEXT, b"grau ist alle Theorie " * 1000)


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff", deflated(b"\xff\xfe")])
def test_what_cannot_be_inflated_or_is_no_text_then_ends_with_1007(garbage: bytes) -> None:
    with Play(MESSAGES) as play:
        one, other = opened(play, client=True, peer=False, compress="client")
        one.says(from_client(TEXT, garbage, rsv=4))
        assert heard(other)[-1].close[0] == 1001
        other.leaves()
        assert heard(one)[-1].close[0] == 1007
        one.sees_end()


def test_a_bomb_goes_off_at_the_limit() -> None:
    with Play(f"{MESSAGES}websocket_max_message = 1m\n") as play:
        one, other = opened(play, client=True, peer=False, compress="client")
        bomb = deflated(bytes(20_000_000))
        one.says(from_client(2, bomb, rsv=4))
        *pieces, end = heard(other)
        assert sum(len(each.payload) for each in pieces) <= 1024 * 1024
        assert end.close[0] == 1001
        other.leaves()
        assert heard(one)[-1].close[0] == 1009
        one.sees_end()


def test_what_is_inflated_waits_for_a_slow_reader() -> None:
    with Play(f"{MESSAGES}websocket_max_message = 0\n") as play:
        one, other = opened(play, client=True, peer=False, compress="client")
        other.stops_reading(room=10_000)
        one.says(from_client(2, deflated(bytes(10_000_000)), rsv=4))
        (connection,) = play.connections()
        assert connection.tunnel is not None
        assert connection.tunnel.bytes_up < 3_000_000
        other.reads_on()
        assert sum(len(each.payload) for each in heard(other)) == 10_000_000


def test_contexts_are_kept_from_message_to_message_or_not() -> None:
    for takeover in ("yes", "no"):
        with Play(f"{MESSAGES}websocket_context_takeover = {takeover}\n") as play:
            client = play.client()
            client.says(OFFERS)
            origin = play.origin()
            origin.hears(ASKED_ON)
            origin.says(AGREED)
            answer = client.hears_message(head_only=True)
            assert ("no_context_takeover" in answer.fields["sec-websocket-extensions"]) is (takeover == "no")
            text = " ".join(str(number) for number in range(100))
            origin.says(frame(TEXT, text), frame(TEXT, text))
            one, two = heard(client)
            assert (len(two.payload) < len(one.payload) / 2) is (takeover == "yes")


def test_a_stream_that_ends_with_a_message_is_followed_by_another() -> None:
    with Play(MESSAGES) as play:
        one, other = opened(play, client=True, peer=False, compress="client")
        for _ in range(3):
            codec = zlib.compressobj(wbits=-15)
            data = codec.compress(HELLO.encode()) + codec.flush(zlib.Z_FINISH)
            # RFC 7692 §7.2.3.5
            one.says(from_client(TEXT, data + b"\0", rsv=4))
            hears_frame(other, TEXT, HELLO)
        one.says(from_client(CLOSE, closing(1000)))
        assert heard(other)[0].close == (1000, "")
