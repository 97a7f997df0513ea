"""The proxy as a service of another Twisted program."""

from __future__ import annotations

import sys

from tests.real.client import fetch
from tests.real.conftest import StartProgram
from tests.real.programs import accepts, eventually, free_ports

PROGRAM = """
import sys
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.web.server import Site
from twisted.web.static import Data
from twistedproxy.embedding import proxy_service

port, inner = sys.argv[1:]


async def stop(request):
    reactor.callLater(0, reactor.stop)
    return 200, {}, "bye"


own = Data(b"of the program", "text/plain")
own.isLeaf = True
reactor.listenTCP(int(inner), Site(own), interface="127.0.0.1")
proxy = proxy_service(f'''
[listen http]
on = tcp:127.0.0.1:{port}
[pool own]
servers = 127.0.0.1:{inner}
[route /]
pool = own
[route /stop]
python = __main__:stop
''', reactor)
proxy.privilegedStartService()
proxy.startService()
reactor.addSystemEventTrigger("before", "shutdown", proxy.stopService)
reactor.run()
print("the program has ended")
"""


def test_a_program_starts_and_stops_a_proxy_of_its_own(start_program: StartProgram) -> None:
    port, inner = free_ports(2)
    program = start_program("program", [sys.executable, "-c", PROGRAM, str(port), str(inner)])
    eventually(lambda: accepts(port), program.story)
    assert fetch(port, "/").body == b"of the program"
    assert fetch(port, "/stop").body == b"bye"
    eventually(lambda: program.ended, program.story)
    assert program.said("the program has ended")
