"""The status page as one file: nothing from outside, nothing that its policy would refuse, small sources."""

import base64
import hashlib
import re
from importlib.resources import files

import pytest

from headrace.status.document import Document
from headrace.status.page.joining import SCRIPTS, STYLES, joined
from tests.fixtures import status_scenes

NOW = 1_764_241_200
MODULE_LINES = 250
SVG = "http://www.w3.org/2000/svg"


def element(name: str) -> str:
    """The content of the page's one element of that name."""
    (found,) = re.findall(rf"<{name}[^>]*>(.*?)</{name}>", joined().body.decode(), re.S)
    return str(found)


def test_the_page_names_no_address_outside_itself():
    page = joined().body.decode()
    comments = re.sub(r"^\s*//.*$", "", page, flags=re.M)  # sources of formats
    assert set(re.findall(r"https?://[^\s\"'`)]+", comments)) == {SVG}
    assert re.findall(r"@import|url\(", page) == []
    addresses = set(re.findall(r'(?:src|href)="([^"#]+)', page))
    assert {each for each in addresses if not each.startswith("data:image/svg")} == {"status.json"}


@pytest.mark.parametrize(("name", "directive"), [("script", "script-src"), ("style", "style-src")])
def test_the_policy_lets_run_what_the_page_holds_and_nothing_else(name, directive):
    digest = base64.b64encode(hashlib.sha256(element(name).encode()).digest()).decode()
    directives = dict(each.split(" ", 1) for each in joined().policy.split("; "))
    assert directives[directive] == f"'sha256-{digest}'"
    assert directives["default-src"] == "'none'"
    assert "unsafe" not in joined().policy


def test_the_page_has_no_handler_or_style_that_the_policy_would_refuse():
    page = joined().body.decode()
    assert re.findall(r"<[^>]+\s(?:on\w+|style)=", page.replace(element("script"), "")) == []


def test_the_scripts_make_no_markup_of_text():
    makers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert re.findall(makers, element("script")) == []


def test_every_source_is_joined_once_and_is_short():
    sources = files("headrace.status.page")
    names = {each.name for each in sources.iterdir() if each.name.endswith((".js", ".css"))}
    assert sorted(names) == sorted((*STYLES, *SCRIPTS))
    lines = {name: len((sources / name).read_text().splitlines()) for name in names}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_it_is_the_same_page_each_time():
    assert joined() == joined()
    assert joined().etag == f'"{hashlib.sha256(joined().body).hexdigest()[:16]}"'


@pytest.mark.parametrize("name", ["empty", "usual", "large", "hostile"])
def test_the_documents_of_its_tests_are_documents(name):
    document = getattr(status_scenes, name)(NOW)
    Document.model_validate(document, strict=False, by_alias=True, by_name=False)
