"""Tabs in YAML: taken where YAML's own grammar takes them as white space, refused as indentation."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headrace.catalog.tabs import TabLoader


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a: b\t\t\nc: d\n", {"a": "b", "c": "d"}),
        ("a:\tb\n", {"a": "b"}),
        ("a: b \t# note\nc: d\n", {"a": "b", "c": "d"}),
        ('a: "b"\t\nc: d', {"a": "b", "c": "d"}),
        ("a: {b: c}\t\nd: e", {"a": {"b": "c"}, "d": "e"}),
        ("a:\t\n  b: c\n", {"a": {"b": "c"}}),
        ("a:\n- b\t\n- c\n", {"a": ["b", "c"]}),
        ("a: b\n\t\nc: d\n", {"a": "b", "c": "d"}),
        ("a: b\n \t # note\nc: d\n", {"a": "b", "c": "d"}),
        ("a: b\tc\n", {"a": "b\tc"}),
        ("a: b\t\n  c\n", {"a": "b c"}),
        ("a\t: b\n", {"a": "b"}),
        ('{\n\t"a": 1,\n\t"b": [\n\t\t"c"\n\t]\n}\n', {"a": 1, "b": ["c"]}),
        ("a: |\n  b\t\n  c\n", {"a": "b\t\nc\n"}),
        ("a: b\t", {"a": "b"}),
        ("a: *b\t\n", None),
    ],
)
def test_tabs_between_tokens_are_white_space(text, tree):
    if tree is None:
        with pytest.raises(yaml.composer.ComposerError, match="undefined alias"):
            yaml.load(text, TabLoader)
    else:
        assert yaml.load(text, TabLoader) == tree


@pytest.mark.parametrize("text", ["\ta: b\n", "a:\n\tb: c\n", "a: b\n\tc: d\n", "-\ta: b\n"])
def test_tabs_as_indentation_are_refused(text):
    with pytest.raises(yaml.YAMLError):
        yaml.load(text, TabLoader)


@given(st.text(alphabet="ab:-#|>\"'{}[], \n\t&*!%?", max_size=30))
def test_what_the_safe_loader_reads_is_read_alike(text):
    try:
        expected = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return
    found = yaml.compose(text, TabLoader)
    assert (found and yaml.serialize(found)) == (expected and yaml.serialize(expected))
