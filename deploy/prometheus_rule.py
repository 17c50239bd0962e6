"""Writes deploy/kubernetes/monitoring/rules.yaml from the files for Prometheus: `python -m deploy.prometheus_rule`."""

from pathlib import Path
from textwrap import indent

_FOLDER = Path(__file__).parent
PATH = _FOLDER / "kubernetes" / "monitoring" / "rules.yaml"
_HEAD = "# Made by `python -m deploy.prometheus_rule` from deploy/prometheus.\n"
_OBJECT = """---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sftp-connector-{name}
spec:
{spec}"""


def text() -> str:
    """The objects of the Prometheus operator: one of each file."""
    return _HEAD + "".join(map(_made, ("rules", "alerts")))


def _made(name: str) -> str:
    rules = (_FOLDER / "prometheus" / f"{name}.yml").read_text()
    return _OBJECT.format(name=name, spec=indent(rules, "  "))


if __name__ == "__main__":
    PATH.write_text(text())
