"""Pages as the code host shows them: links, anchors, the index; and the tools that make a site of them."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import markdown
import pytest
import yaml

from tests.documents.reading import headings_of
from tools.pages.checking import faults
from tools.pages.files import ROOT, address, beside, files, links_of, pages
from tools.pages.pictures import FOLDER, drawings

INDEX = "docs/README.md"
ALL = pages()


def anchor(heading: str) -> str:
    """As the code host makes it: https://github.com/gjtorikian/html-pipeline/blob/main/lib/html_pipeline/node_filter/table_of_contents_filter.rb"""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", ALL)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    lost = [link for link in links_of(page) if not leads_somewhere(page, link)]
    assert lost == []


def leads_somewhere(page: str, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme == "https"
    target = beside(page, link) or page
    if not (ROOT / target).is_file():
        return False
    if not parts.fragment or not target.endswith(".md"):
        return True
    return unquote(parts.fragment) in {anchor(each.text) for each in headings_of(target)}


def test_the_index_has_every_page_but_single_decisions() -> None:
    wanted = {page for page in ALL if not page.startswith("docs/adr/0") and page != INDEX}
    assert sorted(wanted - {beside(INDEX, link) for link in links_of(INDEX)}) == []


def test_the_sites_navigation_has_the_pages_of_the_index() -> None:
    text = re.sub(r"!!python/\S+ \{.*\}", "''", (ROOT / "mkdocs.yml").read_text())
    told = set(re.findall(r": (\S+\.md)$", yaml.dump(yaml.safe_load(text)["nav"]), re.MULTILINE))
    assert told == {page for page in ALL if not page.startswith("docs/adr/0")}


def test_every_decision_is_in_the_list_of_decisions() -> None:
    decisions = {page for page in ALL if page.startswith("docs/adr/0")}
    assert (
        sorted(decisions - {beside("docs/adr/README.md", link) for link in links_of("docs/adr/README.md")})
        == []
    )


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("README.md", "index.html"),
        ("docs/README.md", "pages.html"),
        ("docs/aws.md", "aws.html"),
        ("docs/adr/README.md", "adr/index.html"),
        ("ansible/roles/gpu_host/README.md", "ansible/roles/gpu_host/index.html"),
        ("docs/images/report.png", "images/report.png"),
        ("LICENSE", "LICENSE"),
    ],
)
def test_addresses_leave_docs_out(path: str, place: str) -> None:
    assert address(path) == place


def test_no_two_files_have_one_address() -> None:
    assert len({address(path) for path in files()}) == len(files())


def test_pictures_are_as_they_are_drawn() -> None:
    found = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}
    assert found == drawings(), "run `make docs`"


def html(text: str) -> str:
    extensions = ["toc", "tables", "fenced_code", "tools.pages.commonmark"]
    return re.sub(r"\s*\n\s*", "", markdown.markdown(text, extensions=extensions))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Is:\n- one\n- two\n", "<p>Is:</p><ul><li>one</li><li>two</li></ul>"),
        ("1. a\n   b\n2. c\n", "<ol><li>ab</li><li>c</li></ol>"),
        ("*a* **b** `<c> &lt;`\n", "<p><em>a</em> <strong>b</strong> <code>&lt;c&gt; &amp;lt;</code></p>"),
        ("# A b\n", '<h1 id="a-b">A b</h1>'),
        ("<!-- not shown -->\n\na\n", "<p>a</p>"),
        ("a_b_c and 1 < 2 & 3\n", "<p>a_b_c and 1 &lt; 2 &amp; 3</p>"),
    ],
)
def test_markdown_is_read_as_on_the_code_host(text: str, wanted: str) -> None:
    assert html(text) == wanted


def test_a_cell_knows_the_head_of_its_column() -> None:
    found = html("| a | |\n|---|---|\n| 1 | 2 |\n")
    assert '<td data-head="a">1</td><td>2</td>' in found


def test_code_is_coloured_and_stays_as_it_is() -> None:
    found = html("```sh run\necho 'a  b' # c\n```\n")
    assert found.startswith('<div class="language-bash highlight"><pre><code>')
    assert "a  b" in found


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="gone.html">', "a.html links to gone.html, which is not there"),
        ('<a href="b.html#gone">', "a.html links to b.html#gone, which has no such anchor"),
        ('<a href="#gone">', "a.html links to #gone, which has no such anchor"),
        ('<img src="gone.png">', "a.html links to gone.png, which is not there"),
        (
            '<script src="https://cdn.example/x.js"></script>',
            "a.html loads https://cdn.example/x.js from another host",
        ),
        ('<link href="//fonts.example/x.css">', "a.html loads //fonts.example/x.css from another host"),
        ('<a href="https://example.com">', None),
        ('<a href="b.html#here">', None),
        ('<a href="sub">', None),
    ],
)
def test_what_is_wrong_with_a_site_is_told(body: str, fault: str | None, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("")
    (tmp_path / "b.html").write_text('<h1 id="here">')
    (tmp_path / "a.html").write_text(body)
    assert list(faults(tmp_path)) == ([fault] if fault else [])
