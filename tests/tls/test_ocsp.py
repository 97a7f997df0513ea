"""What of a responder's answers may be shown to clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.tls.responder import DAY, Issuer, Signer
from twistedproxy.tls.ocsp import OcspProblem, issuer_of, judged, request_for, responder_of

ISSUER = Issuer("http://ocsp.example/")
LEAF, KEY = ISSUER.issue()
OTHER, _ = ISSUER.issue()
STRANGER = Issuer("http://ocsp.example/")


def test_the_responder_is_the_one_that_the_certificate_names() -> None:
    assert responder_of(LEAF) == "http://ocsp.example/"
    assert responder_of(Issuer(None).issue()[0]) is None
    assert responder_of(Issuer("ldap://ocsp.example/").issue()[0]) is None
    assert responder_of(ISSUER.certificate) is None


def test_the_issuer_is_whoever_has_signed() -> None:
    assert issuer_of((LEAF, STRANGER.certificate, ISSUER.certificate)) is ISSUER.certificate
    assert issuer_of((LEAF, STRANGER.certificate)) is None
    assert issuer_of((LEAF,)) is None


def test_a_request_is_about_the_certificate() -> None:
    assert ocsp.load_der_ocsp_request(request_for(LEAF, ISSUER.certificate)).serial_number == LEAF.serial_number


@pytest.mark.parametrize("by", [None, ISSUER.deputy()])
def test_a_good_answer_of_the_issuer_or_its_deputy_is_shown(
    by: Signer | None,
) -> None:
    data = ISSUER.says(LEAF, by=by)
    staple = judged(data, LEAF, ISSUER.certificate, ISSUER.now)
    assert staple.data == data
    assert (staple.ends - staple.made) == 2 * DAY
    assert staple.refreshed == staple.made + DAY


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda: b"", "the answer is no OCSP response"),
        (lambda: ISSUER.says(LEAF)[:-1], "the answer is no OCSP response"),
        (
            lambda: ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER),
            "the responder answers try later",
        ),
        (lambda: ISSUER.says(OTHER), "the answer is about another certificate"),
        (lambda: STRANGER.says(LEAF), "the answer is not signed by the issuer of the certificate, nor by its deputy"),
        (
            lambda: ISSUER.says(LEAF, by=STRANGER.deputy()),
            "the answer is not signed by the issuer of the certificate, nor by its deputy",
        ),
        (
            lambda: ISSUER.says(LEAF, by=ISSUER.deputy(allowed=False)),
            "the answer is not signed by the issuer of the certificate, nor by its deputy",
        ),
        (lambda: ISSUER.says(LEAF, ocsp.OCSPCertStatus.REVOKED), "the certificate has been revoked"),
        (lambda: ISSUER.says(LEAF, ocsp.OCSPCertStatus.UNKNOWN), "the responder does not know the certificate"),
        (lambda: ISSUER.says(LEAF, ends=ISSUER.now - timedelta(seconds=1)), "the answer held until"),
        (lambda: ISSUER.says(LEAF, made=ISSUER.now + DAY / 2), "the answer holds from"),
    ],
)
def test_other_answers_are_not(answer: Callable[[], bytes], problem: str) -> None:
    with pytest.raises(OcspProblem, match=problem) as raised:
        judged(answer(), LEAF, ISSUER.certificate, ISSUER.now)
    assert raised.value.revoked == ("revoked" in problem)


def test_an_answer_that_was_changed_on_the_way_is_not_shown() -> None:
    data = bytearray(ISSUER.says(LEAF))
    place = data.index(b"\x80\x00", 40)  # good
    data[place : place + 2] = b"\x82\x00"  # unknown
    with pytest.raises(OcspProblem, match="not signed"):
        judged(bytes(data), LEAF, ISSUER.certificate, ISSUER.now)
