"""How much may be tried before what was reached has to do."""

from __future__ import annotations

import time


class Budget:
    """A number of tries, and seconds from now on; what is over first ends it."""

    def __init__(self, tries: int = 2000, seconds: float = 30.0) -> None:
        self.tries = tries
        self.used = 0
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether nothing more may be tried."""
        return self.used >= self.tries or time.monotonic() >= self._end

    def take(self) -> bool:
        """Take a try; False if there is none left."""
        if self.is_over:
            return False
        self.used += 1
        return True

    def end(self) -> None:
        """Leave nothing of it."""
        self.tries = self.used
