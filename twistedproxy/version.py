"""The version of the program, in the one place from which packaging and ``revproxy --version`` read it."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
