"""All subjects, in the order in which tables show them; ratios are to the first."""

from __future__ import annotations

from bench.subjects.caddy import Caddy
from bench.subjects.haproxy import HAProxy
from bench.subjects.nginx import Nginx
from bench.subjects.ours import Ours, OursByMessages
from bench.subjects.python_programs import AiohttpProxy, TwistedWebProxy
from bench.subjects.subject import Subject

SUBJECTS: tuple[Subject, ...] = (Nginx(), HAProxy(), Caddy(), Ours(), OursByMessages(), AiohttpProxy(), TwistedWebProxy())
REFERENCE = SUBJECTS[0].name
