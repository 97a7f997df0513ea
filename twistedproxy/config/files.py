"""Values that name files, directories and Python objects; what must be there is looked at when the site is read."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context
from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.transport.certificates import CertificateProblem, load_revocations

_PYTHON_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


def path(text: str, at: Context) -> str:
    """A path, made absolute from the directory of the file that says it; it need not exist yet."""
    return os.path.normpath(os.path.join(at.directory, text))


def pattern(text: str, at: Context) -> str:
    """A glob, made absolute."""
    return path(text, at)


def contents(name: str) -> bytes:
    """What stands in the file *name*; raises BadValue when it cannot be read."""
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise BadValue(f"{name} cannot be read: {error.strerror}", "check the path and its permissions") from None


def login_keys(text: str, at: Context) -> str:
    """A path to a file of public keys; it is read when it is there, and whether it has to be is known with the whole site."""
    name = path(text, at)
    if os.path.lexists(name):
        contents(name)
    return name


def authorities(text: str, at: Context) -> str:
    """A path to a PEM file with at least one certificate."""
    name = path(text, at)
    chain_of(name)
    return name


def chain_of(name: str) -> list[x509.Certificate]:
    """The certificates of a PEM file, in order; raises BadValue."""
    data = contents(name)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise BadValue(f"{name} holds no certificate that can be read", "it must be PEM (-----BEGIN CERTIFICATE-----)") from None


def revocations(text: str, at: Context) -> str:
    """A path to a PEM file with at least one list of revoked certificates."""
    name = path(text, at)
    try:
        load_revocations(name)
    except CertificateProblem as problem:
        raise BadValue(str(problem), "openssl crl -inform DER turns one into PEM") from None
    return name


def certificate(text: str, at: Context) -> CertificateFiles:
    """``CHAIN.pem [KEY.pem]``, or a directory with fullchain.pem and privkey.pem; both are read and must belong together."""
    words = text.split()
    if len(words) > 2:
        raise BadValue(f"{text!r} are more than two files", "write CHAIN.pem KEY.pem, one pair a line")
    chain = path(words[0], at)
    if len(words) == 2:
        pair = CertificateFiles(chain, path(words[1], at))
    elif os.path.isdir(chain):
        pair = CertificateFiles(os.path.join(chain, "fullchain.pem"), os.path.join(chain, "privkey.pem"))
    else:
        pair = CertificateFiles(chain, chain)
    _check_pair(pair)
    return pair


def _check_pair(pair: CertificateFiles) -> None:
    leaf = chain_of(pair.chain)[0]
    data = contents(pair.key)
    try:
        key = load_pem_private_key(data, None)
    except TypeError:
        raise BadValue(
            f"the key in {pair.key} is encrypted", "store it without a passphrase, readable by the proxy only"
        ) from None
    except ValueError:
        remedy = (
            "name the key's file after the chain's" if pair.key == pair.chain else "it must be PEM (-----BEGIN PRIVATE KEY-----)"
        )
        raise BadValue(f"{pair.key} holds no private key that can be read", remedy) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise BadValue(
            f"the key in {pair.key} does not belong to the first certificate in {pair.chain}",
            "the server's own certificate comes first, then its issuers",
        )


def write_certificate(pair: CertificateFiles) -> str:
    """As :func:`certificate` reads it."""
    return pair.chain if pair.chain == pair.key else f"{pair.chain} {pair.key}"


def python_name(text: str, at: Context) -> str:
    """``package.module:callable`` that can be imported and called."""
    callable_named(text)
    return text


def callable_named(text: str) -> Callable[..., Any]:
    """What ``package.module:callable`` names, imported; raises BadValue."""
    if not _PYTHON_NAME.fullmatch(text):
        raise BadValue(f"{text!r} is not the name of a callable", "write package.module:callable")
    module, _, attribute = text.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a module raises on import is a mistake of the site
        raise BadValue(
            f"{module} cannot be imported: {type(error).__name__}: {error}", "install it, or correct the name"
        ) from None
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise BadValue(f"{module} has no {attribute}", "correct the name") from None
    if not callable(found):
        raise BadValue(f"{text} cannot be called", "name a function or a class")
    called: Callable[..., Any] = found
    return called
