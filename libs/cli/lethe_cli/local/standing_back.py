"""How far a program stands back where processors are short: by itself, and with its whole session."""

import os
import time
from pathlib import Path

_SESSION = Path("/proc/self/autogroup")
_AGAIN_SECONDS, _TRIES = 0.11, 20


def stand_back(niceness: int) -> None:
    """Be as nice as that (nice(2), 0 to 19) from now on. Call it in the program's own session.

    Where Linux groups processes by session (autogroup, sched(7)), sessions share the processors first, and a program's
    own niceness counts only within its session: alone in one, it would stand back from nobody. So its session gets the
    same niceness; the kernel takes one such change in a tenth of a second, unless root makes it.
    """
    if not niceness:
        return
    os.nice(niceness)
    for _ in range(_TRIES):
        try:
            _SESSION.write_text(str(niceness))
        except BlockingIOError:
            time.sleep(_AGAIN_SECONDS)
        except OSError:  # no such grouping here
            return
        else:
            return
