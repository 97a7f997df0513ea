"""
Every knob, once: name, kind, default, bounds and one line of documentation.

Each kind of section of site.ini is a frozen dataclass, in a module that is called after it; a row of it (:mod:`.knob`) is a key.
What a route says is in two: :mod:`.route_knobs` has what ``[defaults]`` may give for all routes, :mod:`.routes` the rest.  The
other modules have what keys are made of, and :mod:`.site_ini` has all sections of a site together.

:mod:`twistedproxy.config` makes the values from text, the manual's tables (docs/reference.md) are generated from the rows, and
the rest of the program reads nothing else.  Units: durations are seconds (float), sizes are bytes (int).
"""
