"""What is said between a renewal, which knows the proxy, and an account, which knows the authority."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class AcmeProblem(Exception):
    """No certificate was issued; the text says why."""


@dataclass(frozen=True)
class Proof:
    """
    What an authority wants to see to know that a name is ours (RFC 8555 §8.1).

    :ivar token: asked for by HTTP-01
    """

    name: str
    token: str
    key_authorization: str


class Stage(Protocol):
    """Where proofs are shown; its methods may be called from any thread, and return when it is done."""

    def show(self, proof: Proof) -> None:
        """From now on."""

    def hide(self, proof: Proof) -> None:
        """No more."""


@dataclass(frozen=True)
class Issued:
    """A chain and its key, in PEM."""

    chain: str
    key: str
