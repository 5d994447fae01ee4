"""A file as a request, and what an answer makes of it."""

from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.task import Task
from headrace.worker.attempt import Cause, Folder, Outcome, Staged
from headrace.worker.container.posting import (
    UNKNOWN_TYPE,
    refused,
    request_headers,
    result_name,
    type_of,
    wait_seconds,
)

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def staged(folder: Path, key: str) -> Staged:
    file = folder / "a.dcm"
    file.write_bytes(b"12345")
    task = Task(id="t", function="f", bucket="in", key=key, etag="e", size=5, received=NOW)
    return Staged(task, Folder(folder), file, 2)


def test_a_file_is_an_event_in_binary_mode(tmp_path):
    assert request_headers(staged(tmp_path, "day 1/größe 100%.dcm")) == {
        "content-type": "application/dicom",
        "content-length": "5",
        "accept-encoding": "identity",
        "ce-specversion": "1.0",
        "ce-id": "t",
        "ce-source": "s3://in",
        "ce-type": "dev.headrace.file",
        "ce-subject": "day%201/gr%C3%B6%C3%9Fe%20100%25.dcm",
        "ce-time": "2023-11-14T22:13:20.000Z",
        "ce-attempt": "2",
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_whatever_the_key_its_header_is_printable_and_reads_back(tmp_path_factory, key):
    subject = request_headers(staged(tmp_path_factory.getbasetemp(), key))["ce-subject"]
    assert all("!" <= letter <= "~" and letter != '"' for letter in subject)
    assert unquote(subject) == key


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("a.DCM", "application/dicom"),
        ("a.json", "application/json"),
        ("a.nii.gz", UNKNOWN_TYPE),
        ("a", UNKNOWN_TYPE),
    ],
)
def test_a_name_tells_its_media_type(name, kind):
    assert type_of(name) == kind


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"content-type": "application/json; charset=utf-8"}, "a.dcm.json"),
        ({"content-type": "image/png"}, "a.dcm.png"),
        ({"content-type": "application/dicom"}, "a.dcm"),
        ({"content-type": "application/octet-stream"}, "a.dcm.bin"),
        ({"content-type": "no type"}, "a.dcm.bin"),
        ({}, "a.dcm.bin"),
        ({"content-type": "image/png", "content-disposition": 'attachment; filename="b.png"'}, "b.png"),
        ({"content-disposition": "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.png"}, "größe.png"),
        ({"content-disposition": 'attachment; filename="../../etc/passwd"'}, "passwd"),
        ({"content-disposition": 'attachment; filename=".."'}, "input"),
        ({"content-disposition": "inline", "content-type": "image/png"}, "a.dcm.png"),
    ],
)
def test_the_results_name_is_the_answers_or_the_inputs_with_the_answers_type(headers, name):
    assert result_name("a.dcm", headers) == name


def test_of_two_unknown_types_nobody_knows_whether_they_are_the_same():
    assert result_name("a.nii.gz", {"content-type": UNKNOWN_TYPE}) == "a.nii.gz.bin"


@given(st.text(), st.text())
def test_whatever_an_answers_headers_say_the_name_is_one_segment(disposition, kind):
    name = result_name("a.dcm", {"content-disposition": disposition, "content-type": kind})
    assert "/" not in name
    assert name not in {"", ".", ".."}


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (503, "3", 3.0),
        (429, " 0 ", 0.0),
        (503, "Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        (503, "Tue, 14 Nov 2023 22:13:50", 30.0),
        (503, "Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        (503, None, None),
        (503, "soon", None),
        (503, "-1", None),
        (500, "3", None),
        (200, "3", None),
    ],
)
def test_a_server_is_waited_for_where_it_says_how_long(status, retry_after, seconds):
    assert wait_seconds(status, retry_after, NOW) == seconds


@given(st.text())
def test_no_retry_after_breaks_it(text):
    found = wait_seconds(503, text, NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (refused(400, b"no\n pixel data"), "the server answered 400 Bad Request: no pixel data"),
        (refused(500, b""), "the server answered 500 Internal Server Error"),
        (refused(599, b"\xff"), "the server answered 599: \N{REPLACEMENT CHARACTER}"),
        (
            refused(307, b"", location="/predict/"),
            (
                "the server answered 307 Temporary Redirect (to /predict/, which is not followed; "
                "name the right path in run.http.path)"
            ),
        ),
    ],
)
def test_any_other_answer_is_a_failure_with_the_servers_words(outcome, reason):
    assert outcome == Outcome(Cause.HTTP_STATUS, reason)


def test_a_long_answer_is_cut_short():
    assert len(refused(500, b"x" * 10_000).reason) == 2000
