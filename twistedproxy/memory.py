"""The memory of the whole process: what the garbage collector looks at, and what the C library keeps."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

#: New objects, less those that are gone, after which the garbage collector looks at them; Python's own number is 700.
_YOUNG: Final = 20_000

#: Reloads after which what they have left is collected.
_RELOADS: Final = 50

# <malloc.h> of the GNU C library.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

#: Free bytes at the top of the heap that the C library keeps, instead of giving them back at once.
_KEPT: Final = 8 * 1024 * 1024
#: Blocks from this size on are mapped each by itself; the largest read (1 MiB) must be well below.
_MAPPED: Final = 4 * 1024 * 1024


def spare_the_collector() -> None:
    """
    Let the garbage collector leave alone what stays, and look seldom at the rest.

    The modules and the objects of the site, sixty thousand and more, live as long as the process, so that to walk through them
    again and again finds nothing and holds up every exchange (30 ms each time).  Exchanges leave no cycles behind: what
    they are made of goes by reference counts, at once.  What is left for the collector is rare (failures with tracebacks, the
    shell, the checks' HTTP client), and the objects of ten thousand clients who come and stay are no reason to look for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)


def tidy_up(reloads: int) -> None:
    """
    Collect what reloads have left in cycles, now and then: some kilobytes each, which the seldom looks would leave for days.

    A whole look holds everybody up for as long as all clients' objects take, so that it is for one reload of fifty.
    """
    if reloads % _RELOADS == 0:
        gc.collect()


def keep_read_buffers() -> bool:
    """
    Let the C library keep the memory of large reads, which are made and freed a thousand times a second.

    Otherwise it returns each to the kernel, which clears every page of the next one anew: a seventh of what an upload costs.

    :return: False where the C library is another than GNU's, and nothing was done
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEPT)) and bool(mallopt(_M_MMAP_THRESHOLD, _MAPPED))
