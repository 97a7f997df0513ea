"""
Every knob, once: name, kind, default, bounds and one line of documentation.

The sections of site.ini are these frozen dataclasses.  :mod:`twistedproxy.config` makes them from text, the manual's tables
(docs/reference.md) are generated from their rows, and the rest of the program reads nothing else.  Units: durations are
seconds (float), sizes are bytes (int).
"""
