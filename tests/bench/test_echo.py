"""The WebSocket origin of the benchmarks: RFC 6455's own examples."""

from __future__ import annotations

from bench.programs.echo import accept_key, echo_frames, handshake_answer

#: RFC 6455 §5.7: "Hello", masked by a client, and as a server sends it.
MASKED = bytes.fromhex("818537fa213d7f9f4d5158")
PLAIN = bytes.fromhex("810548656c6c6f")


def test_the_accept_value_is_that_of_the_standard() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_masked_frame_comes_back_unmasked() -> None:
    assert echo_frames(MASKED) == (PLAIN, b"")


def test_frames_split_and_joined_come_back_whole() -> None:
    assert echo_frames(MASKED + MASKED[:4]) == (PLAIN, MASKED[:4])
    assert echo_frames(MASKED[:4]) == (b"", MASKED[:4])
    assert echo_frames(MASKED * 2) == (PLAIN * 2, b"")


def test_a_request_without_a_key_is_refused() -> None:
    assert handshake_answer(b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 400 ")
