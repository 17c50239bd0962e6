"""Every metric of the three services. No label has unbounded values: organisations and connectors are never labels."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class Metrics:
    """The metrics, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.ui_events = self._counter("ui_events", "Events taken from the UI.", "type", "result")
        self.runs = self._counter("runs", "Runs that ended.", "outcome", "code")
        self.queue_to_start = self._seconds("queue_to_start_seconds", "From a run queued to a fetcher taking it.")
        self.resent = self._counter("resent", "Messages sent again because a lease ran out.", "stage")
        self.stale = self._counter("stale", "Answers and writes that came too late and changed nothing.", "kind")
        self.relayed = self._counter("relayed", "Messages published from the outbox.", "kind")
        self.connectors = self._gauge("connectors", "Connectors, by state.", "state")
        self.open_runs = self._gauge("open_runs", "Runs that are not done, by stage.", "stage")
        self.outbox = self._gauge("outbox_messages", "Messages that wait in the outbox.")
        self.oldest_due = self._gauge("oldest_due_seconds", "How long the longest waiting due connector has waited.")
        self.oldest_success = self._gauge(
            "oldest_success_seconds", "Age of the last success of the active connector that has gone without longest."
        )
        self.looks = self._counter("looks", "Looks at a file, by verdict.", "verdict", "code")
        self.fetched_bytes = self._counter("fetched_bytes", "Bytes downloaded.")
        self.fetch_seconds = self._seconds("fetch_seconds", "Duration of a look, download included.")
        self.tests = self._counter("connection_tests", "Connection tests, by result.", "result")
        self.test_seconds = self._seconds("connection_test_seconds", "Duration of a connection test.")
        self.imports = self._counter("imports", "Imports that ended.", "outcome", "code")
        self.rows = self._counter("rows", "Records of imported files.", "result")
        self.blob_bytes = self._gauge("blob_bytes", "Bytes in the blob store, by kind, at the last sweep.", "kind")
        self.blobs_dropped = self._counter("blobs_dropped", "Blobs removed because nobody needs them.", "kind")
        self.import_seconds = self._seconds("import_seconds", "Duration of an import.")

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"sftp_connector_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"sftp_connector_{name}", meaning, labels, registry=self.registry)

    def _seconds(self, name: str, meaning: str) -> Histogram:
        return Histogram(f"sftp_connector_{name}", meaning, buckets=_SECONDS, registry=self.registry)
