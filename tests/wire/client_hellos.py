"""ClientHellos: real ones of OpenSSL, and made ones of which every part can be another."""

from __future__ import annotations

import ssl


def of_openssl(name: str | None = "a.example.com", protocols: tuple[str, ...] = ()) -> bytes:
    """What Python's ssl module begins a handshake with."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def vector(content: bytes, width: int) -> bytes:
    """*content* behind its length in *width* bytes."""
    return len(content).to_bytes(width, "big") + content


def extension(kind: int, content: bytes) -> bytes:
    """One extension."""
    return kind.to_bytes(2, "big") + vector(content, 2)


def server_name(*names: bytes, kind: int = 0) -> bytes:
    """The extension that asks for *names*."""
    return extension(0, vector(b"".join(bytes((kind,)) + vector(name, 2) for name in names), 2))


def alpn(*protocols: bytes) -> bytes:
    """The extension that offers *protocols*."""
    return extension(16, vector(b"".join(vector(protocol, 1) for protocol in protocols), 2))


def message(*extensions: bytes, block: bytes | None = None) -> bytes:
    """A ClientHello as a handshake message; without arguments it has no extensions at all."""
    body = b"\x03\x03" + bytes(range(32)) + vector(b"\x07" * 32, 1) + vector(b"\x13\x01\x13\x02", 2) + vector(b"\0", 1)
    if block is None and extensions:
        block = vector(b"".join(extensions), 2)
    body += block or b""
    return b"\x01" + vector(body, 3)


def records(content: bytes, size: int = 2**14) -> bytes:
    """*content* in handshake records of at most *size* bytes each."""
    return b"".join(b"\x16\x03\x01" + vector(content[at : at + size], 2) for at in range(0, len(content), size))


def hello(name: str = "", *protocols: bytes) -> bytes:
    """A whole ClientHello in one record."""
    extensions = [server_name(name.encode())] if name else []
    if protocols:
        extensions.append(alpn(*protocols))
    return records(message(*extensions))
