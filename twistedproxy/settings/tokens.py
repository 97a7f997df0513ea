"""What ``jwt_algorithms`` may name."""

from __future__ import annotations

from typing import Final

#: Algorithms of shared secrets.
JWT_SHARED: Final = ("HS256", "HS384", "HS512")
#: Those of key pairs.
JWT_PAIRS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
JWT_ALGORITHMS: Final = (*JWT_SHARED, *JWT_PAIRS)
