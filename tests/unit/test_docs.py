"""What the docs tell people to do can be done: commands, files, fields, variables and messages are there."""

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from headrace.model.api import ApiSettings
from headrace.model.status_page import StatusSettings
from tests.documents.counting import told
from tests.documents.data import faults_of
from tests.documents.listed import NO_NAMES, NOT_RUN, OTHERS, PROGRAMS
from tests.documents.messages import is_said, quoted_messages
from tests.documents.names import faults_of as faults_of_name
from tests.documents.reading import (
    Block,
    Quoted,
    blocks_of,
    current_pages,
    first_cells,
    headings_of,
    quoted_in,
)
from tests.documents.shell import Command, commands
from tests.documents.survey import BOX, FAILS, OUTPUT, RUN, SHELL, STAYS, TEXT, WHERE, Fate, Found, survey
from tests.documents.verdicts import judge

PAGES = current_pages()
LANGUAGES = {SHELL, TEXT, "yaml", "json", "toml", "python", "dockerfile", "csv"}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    assert [block.place for block in blocks_of(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", PAGES)
def test_words_behind_a_language_are_those_of_the_tests(page: str) -> None:
    assert [(block.place, block.words) for block in blocks_of(page) if not are_known(block.words)] == []


def are_known(words: Sequence[str]) -> bool:
    """`output` alone, or `run` with at most one place and whether it stays or fails."""
    if RUN not in words:
        return set(words) <= {OUTPUT}
    return set(words) <= {RUN, STAYS, FAILS, *WHERE} and len(set(words) & set(WHERE)) <= 1


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("", True), ("output", True), ("run", True), ("run box stays", True), ("run fails lab", True),
        ("box", False), ("run box lab", False), ("run output", False), ("run bx", False),
    ],
)  # fmt: skip
def test_a_word_that_no_test_reads_is_found(words: str, known: bool) -> None:
    assert are_known(words.split()) is known


@pytest.mark.parametrize("page", PAGES)
def test_a_list_is_the_last_of_what_is_run(page: str) -> None:
    """Of `a && b` bash goes on where `a` fails: only at a block's end is its status asked for."""
    run = [block for block in blocks_of(page) if RUN in block.words and FAILS not in block.words]
    lines = [(block.place, line) for block in run for line in block.text.splitlines()[:-1]]
    assert [(place, line) for place, line in lines if "&&" in line.partition("#")[0]] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_command_hides_in_a_block_of_text(page: str) -> None:
    texts = [block for block in blocks_of(page) if block.language == TEXT and OUTPUT not in block.words]
    assert [(each.place, line) for each in texts for line in each.text.splitlines() if is_command(line)] == []


def is_command(line: str) -> bool:
    """Whether a line is one that somebody here would do as it stands; a usage is none."""
    if "[OPTIONS]" in line or not line.startswith(
        ("headrace ", "make ", "pulumi ", "kubectl ", "ansible-playbook ", "aws ")
    ):
        return False
    verdict = judge(Command(0, tuple(line.split())))
    return verdict.by is not None and not verdict.faults


@pytest.mark.parametrize("page", PAGES)
def test_an_output_stands_behind_what_is_run_and_behind_whatever_stays(page: str) -> None:
    pairs = list(itertools.pairwise([*blocks_of(page), None]))
    behind = [later for block, later in pairs if block and RUN in block.words]
    assert [each.place for each in blocks_of(page) if OUTPUT in each.words and each not in behind] == []
    ready = [
        later is not None and OUTPUT in later.words
        for block, later in pairs
        if block and STAYS in block.words
    ]
    assert all(ready), "nothing tells when it is ready"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_every_block_of_data_is_run_judged_or_listed(page: str) -> None:
    found = list(survey(page))
    assert [(each.place, each.text) for each in found if each.fate is Fate.UNKNOWN] == []
    assert [(each.place, each.text, each.faults) for each in found if each.faults] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_fields_and_variables_that_a_page_names_are_there(page: str) -> None:
    quoted = [each for each in quoted_in(page) if (page, each.text) not in NO_NAMES]
    assert [(each.place, fault) for each in quoted for fault in faults_of_name(each)] == []


@pytest.mark.parametrize("page", PAGES)
def test_messages_that_a_page_quotes_are_those_of_the_source(page: str) -> None:
    quoted = [each for each in quoted_messages(page) if (page, each[1]) not in OTHERS]
    assert [f"{page}:{line}: {message}" for line, message in quoted if not is_said(message)] == []


@pytest.mark.parametrize(
    ("page", "model"), [("docs/api.md", ApiSettings), ("docs/status.md", StatusSettings)]
)
def test_a_table_of_settings_has_every_field_and_no_other(page: str, model: type[BaseModel]) -> None:
    fields = set(model.model_json_schema(by_alias=True)["properties"])
    assert {name for _, name in first_cells(page, ["field"])} == fields


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ("docs/demo.md", "headrace demo"),
        ("docs/from-oscar.md", "headrace function import"),
        ("docs/simulate.md", "headrace simulate"),
    ],
)
def test_a_table_of_options_has_those_of_its_command(page: str, command: str) -> None:
    options = [option for _, option in first_cells(page, ["option"])]
    found = [
        fault
        for option in options
        for each in commands(f"{command} {option}")
        for fault in judge(each, strictly=False).faults
    ]
    assert options
    assert found == []


@pytest.mark.parametrize("page", PAGES)
def test_no_two_headings_of_a_page_have_one_anchor(page: str) -> None:
    """The code host and the site number them in different ways."""
    counts = Counter(each.text.lower() for each in headings_of(page))
    assert [text for text, count in counts.items() if count > 1] == []


def test_nothing_is_listed_that_no_page_has() -> None:
    found = {(page, name) for page in PAGES for name in programs_of(page)}
    assert sorted(set(PROGRAMS) - found) == []
    quoted = {(page, each.text) for page in PAGES for each in quoted_in(page)}
    assert sorted(set(NO_NAMES) - quoted) == []
    messages = {(page, message) for page in PAGES for _, message in quoted_messages(page)}
    assert sorted(set(OTHERS) - messages) == []


def test_whatever_is_judged_and_not_run_has_its_reason() -> None:
    judged = {page for page in PAGES for name in programs_of(page) if (page, name) not in PROGRAMS}
    assert sorted(judged - set(NOT_RUN)) == []
    assert sorted(set(NOT_RUN) - judged) == [], "all of these are run, or listed by program"


def programs_of(page: str) -> list[str]:
    shells = [block for block in blocks_of(page) if block.language == SHELL and RUN not in block.words]
    return [command.words[0] for block in shells for command in commands(block.text)]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("headrace vanish", "has no command 'vanish'"),
        ("headrace node", "needs one of list"),
        ("headrace node list --colour", "--colour"),
        ("headrace watch echo", "no place for echo"),
        ("headrace function check --kubeconfig", "--kubeconfig"),
        ("headrace explain a b", "no place for b"),
        ("headrace simulate --trace t --pools p --seeds many", "--seeds is a number"),
        ("headrace gpu assess --kubeconfig k --function echo", "needs --files"),
        ("headrace --colour", "takes no --colour"),
        ("make vanish", "no target vanish"),
        ("make images REGISTRIES=x", "reads no REGISTRIES"),
        ("python -m headrace.vanish", "can't start headrace.vanish"),
        ("python -m headrace.events --colour x", "knows no --colour"),
        ("python -m pytest tests/vanish", "no tests in tests/vanish"),
        ("python tools/vanish.py", "no file"),
        ("python functions/echo/derive.py --colour", "knows no --colour"),
        ("sh tools/vanish.sh", "no script tools/vanish.sh"),
        ("sh tools/bootstrap.sh vanish", "takes no vanish"),
        ("cp stacks/Pulumi.vanish.yaml stacks/Pulumi.ours.yaml", "no stacks/Pulumi.vanish.yaml"),
        ("pulumi vanish", "not in the table"),
        ("pulumi up --colour", "--colour is not in the table"),
        ("pulumi config set namespce x", "headrace has no key namespce"),
        ("pulumi config set --path store.s3.vanish x", "has no key store.s3.vanish"),
        ("pulumi -C functions config set queue x", "headrace-functions has no key queue"),
        ("pulumi stack output vanish", "no stack tells vanish"),
        ("pulumi up --policy-pack infra/vanish", "no policy pack in infra/vanish"),
        ("kubectl vanish", "not in the table"),
        ("kubectl get pods --colour", "--colour is not in the table"),
        ("kubectl get functions,ducks", "no kind ducks"),
        ("kubectl apply -k stacks/gitops/vanish", "no kustomization"),
        ("aws sqs vanish", "no sqs vanish"),
        ("aws vanish list", "no vanish list"),
        ("aws sqs receive-message --queue-uri x", "takes no --queue-uri"),
        ("aws s3 cp a b --colour", "takes no --colour"),
        (
            "ansible-playbook -i ansible/inventories/ours/hosts.yml headrace.hosts.vanish",
            "no playbook 'vanish'",
        ),
        ("ansible-playbook -i ansible/inventories/vanish headrace.hosts.site", "no inventory"),
        ("ansible-playbook -i inventory.yml headrace.hosts.power -e colour=on", "takes colour"),
        ("ansible-playbook -i inventory.yml headrace.hosts.power --colour", "not known here"),
        ("ansible-galaxy collection install ./vanish", "allowed collection install of ansible/"),
    ],
)
def test_what_can_not_be_done_is_found(line: str, fault: str) -> None:
    (command,) = commands(line)
    faults = judge(command).faults
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("yaml", "kind: Duck\n", "no kind Duck"),
        (
            "yaml",
            "kind: Bucket\napiVersion: headrace.dev/v1alpha1\nmetadata: {name: a}\nspec: {colour: 1}\n",
            "colour",
        ),
        ("yaml", "headrace:colour: red\n", "colour"),
        ("yaml", "config:\n  headrace-policy:exceptions: [{rule: vanish}]\n", "rule"),
        ("yaml", "duck:colour: red\n", "no project duck"),
        ("yaml", "hosts1: {hosts: {a: {duck: 1}}}\n", "no role takes duck"),
        ("yaml", "gpu: {count: 1, colour: red}\n", "colour"),
        ("json", '"sqs": {"colour": 1}', "colour"),
        ("toml", "colour = …\n", "Invalid value"),
        ("python", "from headrace.client import Duck\n", "headrace.client has no Duck"),
        ("python", "DuckPond()\n", "no class DuckPond"),
        ("dockerfile", "FROM duck:1\n", "another base"),
        ("csv", "colour\nred\n", "trace.csv"),
    ],
)
def test_data_that_nobody_would_read_are_found(language: str, text: str, fault: str) -> None:
    assert fault in "\n".join(faults_of(Block("page.md", 1, language, (), text)) or [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("infra/vanish.py", "no infra/vanish.py"),
        ("HEADRACE_COLOUR", "nothing reads HEADRACE_COLOUR"),
        ("store.s3.colour", "has the field store.s3.colour"),
        ("run.vanish", "has the field run.vanish"),
    ],
)
def test_names_of_nothing_are_found(text: str, fault: str) -> None:
    (found,) = faults_of_name(Quoted("page.md", 1, text))
    assert fault in found


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ("no stack here: … is missing", True),
        ("no stack here: /home/me/.headrace/settings.json is missing", True),
        ("no stack there: … is missing", False),
        ("…", False),
        ("time-out: ran longer than 60 s", True),
    ],
)
def test_a_message_is_one_of_the_source_or_it_is_not(message: str, is_one: bool) -> None:
    assert is_said(message) is is_one


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a b # c d's", ["a b"]),
        ("a | b && c; d", ["a", "b", "c", "d"]),
        ("a \\\n  b\nc", ["a b", "c"]),
        ("a >b 2>&1 <c d", ["a 2 d"]),
        ("X=1 a b", ["a b"]),
        ("x=$(a b)", ["a b"]),
        ('a "$(b c)" d', ["a $(b c) d", "b c"]),
        ("for x in 1 2; do a $x; done", ["a $x"]),
        ("if a; then b; fi", ["a", "b"]),
        ("a <<'END'\nnot this\nEND\nb", ["a", "b"]),
        ("a 'b\nc' d", ["a b\nc d"]),
        ("a ''", ["a "]),
    ],
)
def test_shell_is_read_as_commands(text: str, found: list[str]) -> None:
    assert [str(each) for each in commands(text)] == found


def test_a_quotation_that_is_not_closed_is_a_fault() -> None:
    with pytest.raises(ValueError, match="not closed"):
        list(commands("a 'b"))


def test_a_program_that_nobody_knows_is_judged_by_nobody() -> None:
    assert judge(Command(0, ("duck", "up"))).by is None


def found(fate: Fate, by: str = "") -> Found:
    return Found("page.md:1", "duck", fate, by)


def test_blocks_are_counted_apart_from_sentences() -> None:
    blocks = [found(Fate.RUN), found(Fate.RUN), found(Fate.RUN, BOX), found(Fate.JUDGED, "make")]
    lines = list(told(blocks, [found(Fate.JUDGED, "pulumi"), found(Fate.UNKNOWN)]))
    assert lines == [
        "of blocks: 3 run, 1 judged; in sentences: 1 judged, 1 unknown",
        "     2 run on any machine",
        "     1 run on a cluster in a box",
        "     1 of blocks judged by make",
    ]
