"""permessage-deflate, agreed on with a client and with a peer (RFC 7692)."""

from __future__ import annotations

import pytest

from twistedproxy.websocket import deflate

NAME = "permessage-deflate"


def answer(offers: str, *, takeover: bool = True) -> str | None:
    """What a client is answered."""
    accepted = deflate.accept(offers.encode(), takeover=takeover)
    return None if accepted is None else accepted[1].decode().removeprefix(NAME)


@pytest.mark.parametrize(
    ("offers", "answered"),
    [
        (NAME, ""),
        (f"{NAME}; client_max_window_bits", ""),
        (f"{NAME}; client_max_window_bits=10", ""),
        (f"{NAME}; server_max_window_bits=10", "; server_max_window_bits=10"),
        (f'{NAME}; server_max_window_bits="15"', "; server_max_window_bits=15"),
        (f"{NAME}; server_no_context_takeover", "; server_no_context_takeover"),
        (f"{NAME}; client_no_context_takeover", "; client_no_context_takeover"),
        (f"x-other, {NAME}", ""),
        (f"{NAME}; server_max_window_bits=8, {NAME}; server_max_window_bits=9", "; server_max_window_bits=9"),
        (f"{NAME}; unknown, {NAME}", ""),
    ],
)
def test_the_first_offer_that_can_be_met_is_accepted(offers: str, answered: str) -> None:
    assert answer(offers) == answered


@pytest.mark.parametrize(
    "offers",
    [
        "x-other",
        f"{NAME}; server_max_window_bits=8",
        f"{NAME}; server_max_window_bits",
        f"{NAME}; server_max_window_bits=16",
        f"{NAME}; server_max_window_bits=09",
        f"{NAME}; client_max_window_bits=7",
        f"{NAME}; server_no_context_takeover=1",
        f"{NAME}; client_no_context_takeover; client_no_context_takeover",
        f"{NAME}; unknown",
    ],
)
def test_what_rfc_7692_does_not_know_is_passed_over(offers: str) -> None:
    assert answer(offers) is None


def test_without_takeover_both_sides_begin_anew_with_each_message() -> None:
    assert answer(NAME, takeover=False) == "; server_no_context_takeover; client_no_context_takeover"
    assert deflate.offer(takeover=False) == (
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
    )


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_what_one_codec_makes_the_other_reads(bits: int) -> None:
    ours, deflates = deflate.agreed(f"{NAME}; client_max_window_bits={bits}".encode(), takeover=True)
    accepted = deflate.accept(f"{NAME}; client_max_window_bits".encode(), takeover=True)
    assert deflates
    assert accepted is not None
    theirs, _ = accepted
    for number in range(3):
        message = b"the same again and again %d " % number * 1000
        ours.start_compress_message()
        data = ours.compress_message_data(message) + ours.end_compress_message()
        theirs.start_decompress_message()
        assert theirs.decompress_message_data(data) == message
        theirs.end_decompress_message()


def test_a_peer_whose_window_zlib_does_not_have_is_sent_plain_messages() -> None:
    _, deflates = deflate.agreed(f"{NAME}; client_max_window_bits=8".encode(), takeover=True)
    assert not deflates


@pytest.mark.parametrize(
    "said", ["client_max_window_bits", "server_max_window_bits=7", "unknown", "server_no_context_takeover=1", "a; a"]
)
def test_a_peer_that_answers_what_was_not_offered_is_refused(said: str) -> None:
    with pytest.raises(deflate.BadParameters):
        deflate.agreed(f"{NAME}; {said}".encode(), takeover=True)
