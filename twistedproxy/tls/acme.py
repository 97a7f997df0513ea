"""
ACME (RFC 8555): an account with an authority, and certificates by it.

The library waits for what it asks, so that all of this runs in a thread of its own.
"""

from __future__ import annotations

import ipaddress
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import requests
from acme import challenges, crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from twistedproxy.settings.tls import TlsSettings
from twistedproxy.tls.files import write_private
from twistedproxy.tls.issuing import AcmeProblem, Issued, Proof, Stage
from twistedproxy.transport.certificates import is_address
from twistedproxy.version import VERSION

#: Seconds in which the authority must have answered a request, have looked at the names, and have issued a certificate.
_REQUEST: Final = 20
_VALIDATION: Final = 120.0
_ISSUE: Final = 120.0
#: Seconds for which the library may wait before it is asked whether all is over.
_PATIENCE: Final = timedelta(seconds=2)


class TlsAlpn01Response(challenges.KeyAuthorizationChallengeResponse):
    """That the proof of RFC 8737 can be seen."""

    typ = "tls-alpn-01"


@challenges.Challenge.register
class TlsAlpn01(challenges.KeyAuthorizationChallenge):
    """RFC 8737, which the library leaves to others."""

    response_cls = TlsAlpn01Response
    typ = response_cls.typ

    def validation(self, account_key: Any, **unused: Any) -> str:
        """The key authorization, of which the certificate has the digest."""
        return str(self.key_authorization(account_key))


class Account:
    """
    The account with the authority of a section, and what is done by it.

    :param directory: where accounts are kept, one for each authority
    :param given_up: set when nobody waits for the outcome any more
    """

    def __init__(self, settings: TlsSettings, directory: str, given_up: threading.Event) -> None:
        assert settings.acme is not None
        self._settings = settings
        self._given_up = given_up
        self._url: str = settings.acme
        name = sha256(f"{settings.acme} {settings.acme_account.kid if settings.acme_account else ''}".encode()).hexdigest()[:16]
        self._file = os.path.join(directory, f"account-{name}.json")

    def obtain(self, stage: Stage) -> Issued:
        """
        A new certificate, with a new key, for the names of the section.

        :raises AcmeProblem: there is none, for instance because the authority has not seen what *stage* showed
        :raises OSError: the account cannot be kept
        """
        with _in_words():
            client = self._client()
            key = ec.generate_private_key(ec.SECP256R1())
            key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            names = self._settings.names
            request = crypto_util.make_csr(
                key_pem,
                domains=[name for name in names if not is_address(name)],
                ipaddrs=[ipaddress.ip_address(name) for name in names if is_address(name)],
            )
            order = client.new_order(request)
            self._validate(client, order, stage)
            return Issued(self._finalized(client, order), key_pem.decode("ascii"))

    # The account.

    def _client(self) -> ClientV2:
        """A client with an account, which is made at the first time."""
        kept = self._kept()
        if kept is not None:
            client = self._connected(kept[0])
            client.net.account = messages.RegistrationResource(uri=kept[1], body=messages.Registration())
            try:
                # An account may have been closed, or the authority may have forgotten all of them, as those for tests do.
                client.query_registration(client.net.account)
            except messages.Error as problem:
                if problem.code not in ("accountDoesNotExist", "unauthorized", "malformed"):
                    raise
            else:
                return client
        key = ec.generate_private_key(ec.SECP256R1())
        client = self._connected(key)
        uri = self._registered(client)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
        kept_text = json.dumps({"directory": self._url, "uri": uri, "key": pem}, indent=1)
        write_private(self._file, kept_text.encode())
        return client

    def _kept(self) -> tuple[Any, str] | None:
        try:
            with open(self._file, "rb") as file:
                kept = json.load(file)
            return load_pem_private_key(kept["key"].encode(), None), str(kept["uri"])
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None

    def _connected(self, key: Any) -> ClientV2:
        # It is handed on to requests, which takes the file of the authorities that are believed, too.
        believed: Any = self._settings.acme_ca or True
        agent = f"twistedproxy/{VERSION} acme-python"
        net = ClientNetwork(JWKEC(key=key), alg=ES256, verify_ssl=believed, user_agent=agent, timeout=_REQUEST)
        directory = ClientV2.get_directory(self._url, net)
        return ClientV2(directory, net)

    def _registered(self, client: ClientV2) -> str:
        binding = None
        given = self._settings.acme_account
        if given is not None:
            assert client.net.key is not None
            public = client.net.key.public_key()
            binding = messages.ExternalAccountBinding.from_data(public, given.kid, given.hmac_key, client.directory)
        elif client.external_account_required():
            raise AcmeProblem("the authority wants an account that it knows of: set acme_account")
        wanted = messages.NewRegistration.from_data(
            email=self._settings.email, external_account_binding=binding, terms_of_service_agreed=True
        )
        return str(client.new_account(wanted).uri)

    # An order.

    def _validate(self, client: ClientV2, order: messages.OrderResource, stage: Stage) -> None:
        """Let the authority see what it wants to see for every name of *order*."""
        shown: list[Proof] = []
        try:
            for authorization in order.authorizations:
                if authorization.body.status == messages.STATUS_VALID:
                    continue
                name = str(authorization.body.identifier.value)
                challenge = next(
                    (each for each in authorization.body.challenges if each.chall.typ == self._settings.challenge), None
                )
                if challenge is None:
                    raise AcmeProblem(f"the authority offers no {self._settings.challenge} for {name}")
                response, validation = challenge.response_and_validation(client.net.key)
                proof = Proof(name, challenge.chall.encode("token"), str(validation))
                shown.append(proof)
                stage.show(proof)
                client.answer_challenge(challenge, response)
            for left in self._times(_VALIDATION):
                try:
                    client.poll_authorizations(order, left)
                except errors.TimeoutError:
                    continue
                return
            raise AcmeProblem("the authority has not looked at our names in time")
        finally:
            for proof in shown:
                stage.hide(proof)

    def _finalized(self, client: ClientV2, order: messages.OrderResource) -> str:
        try:
            order = client.begin_finalization(order)
        except messages.Error as problem:
            if problem.code != "orderNotReady":
                raise
        for left in self._times(_ISSUE):
            try:
                return str(client.poll_finalization(order, left).fullchain_pem)
            except errors.TimeoutError:
                continue
        raise AcmeProblem("the authority has not issued a certificate in time")

    def _times(self, seconds: float) -> Iterator[datetime]:
        """Until when to wait, again and again for *seconds*, or until all was given up."""
        # The library compares with its own clock, which is local and knows no zone.
        end = datetime.now() + timedelta(seconds=seconds)
        while (now := datetime.now()) < end:
            if self._given_up.is_set():
                raise AcmeProblem("it was given up")
            yield min(end, now + _PATIENCE)


@contextmanager
def _in_words() -> Iterator[None]:
    """What the library raises becomes an AcmeProblem with a text for people."""
    try:
        yield
    except errors.ValidationError as problem:
        raise AcmeProblem("; ".join(_validation(problem)) or "the authority has not seen what it looked for") from problem
    except messages.Error as problem:
        raise AcmeProblem(f"the authority refuses: {problem.detail or problem.typ} ({problem.code})") from problem
    except errors.IssuanceError as problem:
        raise AcmeProblem(f"the authority refuses: {problem.error.detail or problem.error.typ}") from problem
    except (errors.Error, JoseError) as problem:
        raise AcmeProblem(f"the authority's answer is not understood: {problem!r}") from problem
    except requests.exceptions.RequestException as problem:
        raise AcmeProblem(f"the authority cannot be asked: {problem}") from problem
    except (ValueError, KeyError, AttributeError) as problem:
        # A directory that is none.
        raise AcmeProblem(f"the authority's answer is not understood: {problem!r}") from problem


def _validation(problem: errors.ValidationError) -> Iterator[str]:
    for authorization in problem.failed_authzrs:
        for challenge in authorization.body.challenges:
            if challenge.error is not None:
                yield f"{authorization.body.identifier.value}: {challenge.error.detail or challenge.error.typ}"
