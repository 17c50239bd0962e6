"""What can go wrong on a customer's server, as one exception with a code of shared.errors."""

from shared.errors import ConnectorError, advice


class LookFailed(ConnectorError):
    """A look at a file failed at `step`; `detail` says what was seen, never a secret."""

    def __init__(self, step: str, code: str, detail: str = "", *, host_key: str | None = None) -> None:
        super().__init__(f"{step}: {code}")
        self.step = step
        self.code = code
        self.detail = detail or advice(code).message
        self.host_key = host_key
