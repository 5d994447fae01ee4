"""Pages of listings, as stores write them."""

from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.storage.listing import Entry, Old, Page, parse_page

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def _contents(key: str) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2026-11-23T06:32:46.500Z</LastModified>"
        "<ETag>&#34;abc&#34;</ETag><Size>12</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _objects(*keys: str, rest: str = "<IsTruncated>false</IsTruncated>", namespace: str = NAMESPACE) -> bytes:
    return f"<ListBucketResult {namespace}>{rest}{''.join(map(_contents, keys))}</ListBucketResult>".encode()


def _entry(key: str) -> Entry:
    return Entry(key, '"abc"', 12, 1795415566.5, None)


def _version(key: str, *, version: str, latest: str) -> str:
    return (
        f"<Version><Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>{latest}</IsLatest>"
        "<LastModified>2026-11-23T06:32:46Z</LastModified><ETag>&#34;abc&#34;</ETag><Size>12</Size>"
        "<Owner><ID>me</ID></Owner></Version>"
    )


@given(st.lists(KEYS, max_size=5))
def test_any_key_comes_back_from_an_encoded_page(keys: list[str]):
    rest = "<IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
    page = parse_page(_objects(*map(quote_plus, keys), rest=rest))
    assert page == Page(tuple(map(_entry, keys)), None)


def test_a_page_that_is_not_encoded_is_taken_literally():
    assert parse_page(_objects(escape("a+b%2F&c"))).entries == (_entry("a+b%2F&c"),)


def test_a_store_may_leave_the_namespace_out():
    assert parse_page(_objects("a", namespace="")) == parse_page(_objects("a"))


def test_the_next_page_begins_after_the_last_key_not_at_the_stores_token():
    rest = "<IsTruncated>true</IsTruncated><NextContinuationToken>a\ufffdb</NextContinuationToken>"
    page = parse_page(_objects("a", "a%01b", rest=rest + "<EncodingType>url</EncodingType>"))
    assert page.following == {"StartAfter": "a\x01b"}


def test_an_empty_page_that_is_not_the_last_goes_on_at_the_stores_token():
    rest = "<IsTruncated>true</IsTruncated><NextContinuationToken>token</NextContinuationToken>"
    assert parse_page(_objects(rest=rest)) == Page((), {"ContinuationToken": "token"})


def test_of_versions_only_the_newest_counts_all_else_is_old_and_a_deleted_object_has_no_newest():
    body = (
        f"<ListVersionsResult {NAMESPACE}><IsTruncated>false</IsTruncated>"
        + _version("a", version="v2", latest="true")
        + _version("a", version="v1", latest="false")
        + "<DeleteMarker><Key>b</Key><VersionId>v4</VersionId><IsLatest>true</IsLatest></DeleteMarker>"
        + _version("b", version="v3", latest="false")
        + "</ListVersionsResult>"
    )
    newest = (Entry("a", '"abc"', 12, 1795415566.0, "v2"),)
    assert parse_page(body.encode()) == Page(newest, None, (Old("a", "v1"), Old("b", "v4"), Old("b", "v3")))


@pytest.mark.parametrize(
    ("markers", "following"),
    [
        (
            "<NextKeyMarker>a+b</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>",
            {"KeyMarker": "a b", "VersionIdMarker": "v1"},
        ),
        ("<NextKeyMarker>a</NextKeyMarker>", {"KeyMarker": "a"}),
    ],
)
def test_a_listing_of_versions_goes_on_at_its_markers(markers: str, following: dict[str, str]):
    body = (
        f"<ListVersionsResult {NAMESPACE}><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>"
        f"{markers}{_version('a+b', version='v1', latest='false')}</ListVersionsResult>"
    )
    assert parse_page(body.encode()) == Page((), following, (Old("a b", "v1"),))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"<html></html>",
        _objects("a").replace(b"<Size>12", b"<Size>many"),
        _objects("a").replace(b"2026-11", b"2026-99"),
        _objects("a").replace(b"Key>", b"Name>"),
        _objects(rest="<IsTruncated>true</IsTruncated><DeleteMarker><Key>a</Key></DeleteMarker>"),
        _objects(rest="<IsTruncated>true</IsTruncated>"),
    ],
)
def test_what_is_no_listing_is_refused(body: bytes):
    with pytest.raises(ValueError, match="no listing"):
        parse_page(body)
