"""The grammar of HTTP/1.1 as regular expressions, each below the rule that it stands for.  All are used with fullmatch or at line starts."""

from __future__ import annotations

import re
from typing import Final

# token = 1*tchar (RFC 9110 §5.6.2)
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
TOKEN: Final = re.compile(_TOKEN)

# request-line = method SP request-target SP HTTP-version (RFC 9112 §3).
# A target is made of visible ASCII.  RFC 3986 knows fewer characters, but browsers send some of the others in queries; a "#" would
# start a fragment, which is never sent.
REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21\x22\x24-\x7e]+) HTTP/([0-9])\.([0-9])")

# status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 §4); the last SP is missing in much software.
STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")

# field-line = field-name ":" OWS field-value OWS (RFC 9112 §5).  Found at line starts; the trailing OWS is taken off afterwards,
# because it is rare and a regular expression that looks for it is slow.
FIELD_LINE: Final = re.compile(rb"(?m)^(" + _TOKEN + rb"):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)\r\n")

# Content-Length = 1*DIGIT (RFC 9110 §8.6), bounded so that sums stay far from any machine's limit.
LENGTH: Final = re.compile(rb"[0-9]{1,18}")

# uri-host [ ":" port ] (RFC 9110 §7.2); of reg-name only what a name in the DNS can hold.
HOST: Final = re.compile(rb"([0-9A-Za-z._~\-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")

# absolute-form = absolute-URI (RFC 9112 §3.2.2), of the schemes that a gateway serves; no userinfo (RFC 9110 §4.2.4).
ABSOLUTE_FORM: Final = re.compile(rb"([Hh][Tt][Tt][Pp][Ss]?)://([^/?@]*)(/[^?]*)?(\?.*)?")

# chunk = chunk-size [ chunk-ext ] CRLF (RFC 9112 §7.1); extensions are read over, so only their characters matter.
CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")

#: What makes a path need a closer look before it is routed: escapes, parameters, backslashes, empty and dot segments.
PATH_SUSPECT: Final = re.compile(rb"[%;\\]|//|/\.")
PATH_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
