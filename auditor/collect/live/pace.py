"""A limit on requests that is kind to the API server: so many at once, then so many a second."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """A token bucket: `burst` requests at once, `rate` a second from then on.

    `clock` gives seconds that never go back, `sleep` is given seconds.
    """

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    burst: float = 200
    rate: float = 50
    _tokens: float = field(init=False)
    _filled: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._filled = self.burst, self.clock()

    def wait(self) -> None:
        """Wait until one more request is due."""
        now = self.clock()
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        self._tokens -= 1
        if self._tokens < 0:
            self.sleep(-self._tokens / self.rate)
