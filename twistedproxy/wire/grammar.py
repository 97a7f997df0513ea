"""
The grammar of HTTP/1.1 as regular expressions, each below the rule that it stands for.

All are used with fullmatch, or say themselves where they begin.  None takes more than linear time, whatever it is given: runs
are possessive (``++``) or end at a character that they cannot hold.
"""

from __future__ import annotations

import re
from typing import Final

# tchar (RFC 9110 §5.6.2)
_TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"

# What a line may hold besides its name: HTAB / SP / VCHAR / obs-text (RFC 9110 §5.5).
_TEXT = rb"[\t\x20-\x7e\x80-\xff]"

# A request-target is made of visible ASCII.  RFC 3986 knows fewer characters, but browsers send some of the others in queries; a
# "#" would start a fragment, which is never sent.
_TARGET = rb"[\x21\x22\x24-\x7e]"

# token = 1*tchar (RFC 9110 §5.6.2)
TOKEN: Final = re.compile(_TCHAR + rb"++")

# request-line = method SP request-target SP HTTP-version (RFC 9112 §3).  No method known to IANA has more than 17 letters.
REQUEST_LINE: Final = re.compile(rb"(" + _TCHAR + rb"{1,32}) (" + _TARGET + rb"++) HTTP/([0-9])\.([0-9])")

# Its beginning, as long as its end has not come.
REQUEST_LINE_START: Final = re.compile(rb"(?:" + _TCHAR + rb"{1,32}(?: (?:" + _TARGET + rb"++(?: [HTP/0-9.]{0,8}\r?)?)?)?)?")

# status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 §4); the last SP is missing in much software.
STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: (" + _TEXT + rb"*+))?")

# field-line = field-name ":" OWS field-value OWS (RFC 9112 §5) as nearly everybody writes it, and we do: one space before the
# value and none behind it; found at line starts.
FIELD_LINE: Final = re.compile(rb"(?m)^(" + _TCHAR + rb"++): (?![ \t])(" + _TEXT + rb"*+)(?<![ \t])\r\n")

# The same with any blanks around the value, to be taken off: they are rare, and to look for them takes time.
PADDED_FIELD_LINE: Final = re.compile(rb"(?m)^(" + _TCHAR + rb"++):[ \t]*+(" + _TEXT + rb"*+)\r\n")

# White space between a field's name and its colon (RFC 9112 §5.1).
SPACED_NAME: Final = re.compile(rb"(?m)^(" + _TCHAR + rb"++)[ \t]++:")

# Content-Length = 1*DIGIT (RFC 9110 §8.6), bounded so that sums stay far from any machine's limit.
LENGTH: Final = re.compile(rb"[0-9]{1,18}")

# uri-host [ ":" port ] (RFC 9110 §7.2); of reg-name only what a name in the DNS can hold.
HOST: Final = re.compile(rb"([0-9A-Za-z._~\-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?")

# absolute-form = absolute-URI (RFC 9112 §3.2.2), of the schemes that a gateway serves; no userinfo (RFC 9110 §4.2.4).
ABSOLUTE_FORM: Final = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?@]*)(/[^?]*)?(\?.*)?")

# quoted-string (RFC 9110 §5.6.4)
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'

# chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ) (RFC 9112 §7.1.1)
_EXTENSION = rb"[ \t]*+;[ \t]*+" + _TCHAR + rb"++(?:[ \t]*+=[ \t]*+(?:" + _TCHAR + rb"++|" + _QUOTED + rb"))?"

# chunk-size [ chunk-ext ] CRLF (RFC 9112 §7.1)
CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*+\r\n")

# Its beginning, as long as its end has not come: of an extension the characters only.
CHUNK_LINE_START: Final = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:[ \t]*+(?:;" + _TEXT + rb"*+)?)\r?)?")

#: What makes a path need a closer look before it is routed: escapes, parameters, backslashes, empty and dot segments.
PATH_SUSPECT: Final = re.compile(rb"%|;|\\|/[/.]")
BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


#: A dot segment for a server of any kind.
DOT_SEGMENT: Final = re.compile(rb"[/\\]\.\.?(?:[/\\;]|\Z)")
