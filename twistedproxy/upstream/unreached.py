"""Why a connection to a peer could not be made, as a :class:`~twistedproxy.errors.Reason`."""

from __future__ import annotations

import errno
from typing import Final

from twisted.internet.error import DNSLookupError
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.errors import Reason
from twistedproxy.transport.tls_problems import TlsProblem

#: What this machine, or this process, may have run out of.
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def why_not_connected(failure: Failure) -> tuple[Reason, str]:
    """The reason, and more words on it."""
    problem = failure.value
    if isinstance(problem, TlsProblem):
        return errors.TLS_UNVERIFIED if problem.unverified else errors.TLS_FAILED, str(problem)
    if isinstance(problem, DNSLookupError):
        return errors.NAME_UNRESOLVED, str(problem)
    if isinstance(problem, OSError):
        if problem.errno == errno.ECONNREFUSED:
            return errors.CONNECT_REFUSED_BY_PEER, ""
        if problem.errno == errno.ETIMEDOUT:
            return errors.CONNECT_TIMEOUT, ""
        if problem.errno in _EXHAUSTED:
            return errors.EXHAUSTED, problem.strerror or str(problem)
        return errors.CONNECT_FAILED, problem.strerror or str(problem)
    return errors.CONNECT_FAILED, failure.getErrorMessage()
