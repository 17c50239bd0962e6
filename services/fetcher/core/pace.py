"""How fast a server sends, over the last minute of waiting for it."""

from collections import deque

_WINDOW_SECONDS = 60.0
_STEP_SECONDS = 1.0


class Pace:
    """Watches that at least so many bytes a minute come; what we do between two waits costs the server nothing."""

    def __init__(self, least_per_minute: int) -> None:
        self._least_per_second = least_per_minute / 60
        self._now = (0.0, 0)  # seconds waited, bytes received
        self._marks = deque([self._now])  # at most one a second: memory does not grow with the file

    def too_slow(self, waited: float, received: int) -> bool:
        """Note bytes that came after so many seconds of waiting; whether the last minute was too slow."""
        self._now = (self._now[0] + waited, self._now[1] + received)
        if self._now[0] - self._marks[-1][0] >= _STEP_SECONDS:
            self._marks.append(self._now)
        begin = self._now[0] - _WINDOW_SECONDS
        while len(self._marks) > 1 and self._marks[1][0] <= begin:
            self._marks.popleft()
        seconds, size = (self._now[part] - self._marks[0][part] for part in (0, 1))
        return seconds >= _WINDOW_SECONDS and size < self._least_per_second * seconds
