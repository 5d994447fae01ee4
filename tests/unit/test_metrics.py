"""Every metric is named, measured and told as Prometheus asks for, and its page says what was counted.

The rules are those of https://prometheus.io/docs/practices/naming/ and of `promtool check metrics`.
"""

import logging
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from headrace import __version__
from headrace.metrics import catalogue
from headrace.metrics.catalogue import FAMILIES, of_service
from headrace.metrics.exposition import Exposition
from headrace.metrics.family import Family, Figure, Kind, Service
from headrace.metrics.serving import metrics_route

BASE_UNITS = ("seconds", "bytes")
OTHER_UNITS = re.compile(
    r"_(ms|millis(econds)?|micros\w*|nanos\w*|minutes?|hours?|days?|kb|mb|gb|[kmg]ib|percent)(_|$)"
)
# What Prometheus and its operator put beside ours: https://prometheus-operator.dev/docs/api-reference/api/
TAKEN_LABELS = {"le", "quantile", "job", "instance", "pod", "namespace", "container", "endpoint", "service"}
UNBOUNDED_LABELS = {"key", "file", "task", "path", "url", "bucket", "worker", "attempt", "node", "user"}
EACH = pytest.mark.parametrize("family", FAMILIES, ids=lambda each: each.name)
SERVICES = pytest.mark.parametrize("service", Service)


def test_no_name_is_given_twice():
    names = [name for family in FAMILIES for name in {family.name, *family.series}]
    assert len(names) == len(set(names))


@EACH
def test_a_name_has_the_project_its_base_unit_and_its_kinds_suffix(family):
    assert re.fullmatch(r"headrace(_[a-z]+)+", family.name)
    assert not OTHER_UNITS.search(family.name)
    assert not re.search(r"_(counter|gauge|histogram|summary|count|sum|bucket|created)(_|$)", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    stem = family.name.removesuffix("_total")
    for unit in BASE_UNITS:
        assert unit not in stem or stem.endswith(f"_{unit}"), "the unit comes last"
    if family.kind is Kind.HISTOGRAM:
        assert stem.endswith(BASE_UNITS)


@EACH
def test_its_help_says_what_it_is_in_sentences(family):
    assert family.help[0].isupper() or family.help[0] in "01"
    assert family.help.endswith(".")
    assert len(family.help) >= 25
    assert "\n" not in family.help
    assert "  " not in family.help


@EACH
def test_its_labels_are_few_bounded_and_nobody_elses(family):
    assert len(family.labels) <= 4
    assert len(set(family.labels)) == len(family.labels)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in family.labels)
    assert not TAKEN_LABELS & set(family.labels)
    assert not UNBOUNDED_LABELS & set(family.labels)


@EACH
def test_only_a_histogram_has_buckets_in_order(family):
    assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
    assert list(family.buckets) == sorted(set(family.buckets))
    assert not family.is_state or family.kind is Kind.COUNTER
    assert family.services


@SERVICES
def test_a_page_tells_all_that_its_service_has_and_nothing_else(service):
    exposition, figures = Exposition(service), []
    for family in of_service(service):
        labels = tuple(f"a {label}" for label in family.labels)
        if family.is_read:
            figures += [] if family is catalogue.BUILD else [Figure(family, 2.0, labels)]
        elif family.kind is Kind.COUNTER:
            exposition.count(family, *labels, by=2.0)
        else:
            exposition.observe(family, 2.0, *labels)
    told = {each.name: each for each in text_string_to_metric_families(exposition.page(figures).decode())}
    own = {name: each for name, each in told.items() if not name.startswith("process_")}
    assert own.keys() == {each.name.removesuffix("_total") for each in of_service(service)}
    for family in of_service(service):
        found = own[family.name.removesuffix("_total")]
        assert found.type == family.kind.value
        assert found.documentation == family.help
        assert {sample.name for sample in found.samples} == set(family.series)
        assert {tuple(sorted(sample.labels.keys() - {"le"})) for sample in found.samples} == {
            tuple(sorted(family.labels))
        }
        if family is not catalogue.BUILD:
            assert {s.value for s in found.samples if not s.name.endswith(("_bucket", "_count"))} == {2.0}


def test_a_page_tells_the_version_and_the_process():
    text = Exposition(Service.SCALER).page().decode()
    assert f'headrace_build_info{{component="scaler",version="{__version__}"}} 1.0\n' in text
    assert "process_resident_memory_bytes " in text
    assert "_created" not in text


def test_counts_add_up_and_a_page_reads_the_state_anew():
    exposition = Exposition(Service.API)
    for status in ("200", "200", "404"):
        exposition.count(catalogue.CALLS, "GET", "/run", status)
    first = exposition.page([Figure(catalogue.SPOOL_BYTES, 5)]).decode()
    assert 'headrace_api_calls_total{method="GET",route="/run",status="200"} 2.0' in first
    assert "headrace_api_spool_bytes 5.0" in first
    assert "headrace_api_spool_bytes" not in exposition.page().decode()


def test_what_is_not_a_services_own_is_refused():
    exposition = Exposition(Service.API)
    with pytest.raises(KeyError):
        exposition.count(catalogue.BOOTS, "pool", "ready")
    with pytest.raises(ValueError, match="headrace_leading"):
        exposition.page([Figure(catalogue.LEADING, 1, ("api",))])
    with pytest.raises(ValueError, match="headrace_api_calls_total"):
        exposition.page([Figure(catalogue.CALLS, 1, ("GET", "/run", "200"))])
    with pytest.raises(ValueError, match="allowed one for each of"):
        Figure(catalogue.LEADING, 1)


def test_a_label_takes_any_text():
    exposition = Exposition(Service.PUBLISHER)
    text = exposition.page([Figure(catalogue.GPU_SERVER_UP, 1, ('a "quoted"\nname\\',))]).decode()
    (family,) = [f for f in text_string_to_metric_families(text) if f.name == "headrace_gpu_server_up"]
    assert family.samples[0].labels == {"server": 'a "quoted"\nname\\'}


def client(exposition, read):
    return TestClient(Starlette(routes=[metrics_route(exposition, read)]))


def test_the_page_is_answered_as_prometheus_reads_it():
    async def read():
        return [Figure(catalogue.LEADING, 1, ("scaler",))]

    answer = client(Exposition(Service.SCALER), read).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'headrace_leading{component="scaler"} 1.0' in answer.text


def test_a_fault_in_what_is_told_is_logged_and_harms_nobody(caplog):
    async def read():
        raise RuntimeError("a defect")

    with caplog.at_level(logging.ERROR):
        answer = client(Exposition(Service.SCALER), read).get("/metrics")
    assert answer.status_code == 500
    assert "a defect" not in answer.text
    assert [record.action for record in caplog.records if hasattr(record, "action")] == ["metrics.failed"]


@pytest.mark.parametrize(
    ("kind", "series"),
    [
        (Kind.COUNTER, ("headrace_x",)),
        (Kind.GAUGE, ("headrace_x",)),
        (Kind.HISTOGRAM, ("headrace_x_bucket", "headrace_x_sum", "headrace_x_count")),
    ],
)
def test_a_histogram_is_kept_as_three_series(kind, series):
    assert Family("headrace_x", "Help.", (Service.API,), kind=kind).series == series
