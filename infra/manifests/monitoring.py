"""What the Prometheus operator and Grafana are given, and the network's openings for them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from headrace.manifests.function_objects import collector_reach
from headrace.manifests.worker_pod import METRICS, METRICS_PORTS
from headrace.metrics.family import Service
from headrace.metrics.serving import PATH
from headrace.model.labels import COMPONENT, HEADRACE, PART_OF
from headrace.model.trace import TraceSettings
from infra import names
from infra.manifests import alerts
from infra.manifests.dashboard import UID, dashboard
from infra.manifests.network import NAMESPACE_LABEL, Peer, incoming
from infra.manifests.parts import HEALTH_PORT, Manifest, metadata
from infra.manifests.services import RECEIVER_PORT
from infra.monitoring_settings import Monitoring

API = "monitoring.coreos.com/v1"
HTTP = "http"  # the port's name in the services' own containers
SERVICES = (Service.RECEIVER, Service.SCALER, Service.CONTROLLER, Service.PUBLISHER, Service.API)
PORTS = (RECEIVER_PORT, HEALTH_PORT)
_MARK = names.MONITORING
