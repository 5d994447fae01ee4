"""A function's folder as the object that is applied."""

import json

import pytest

from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from infra.function_settings import FunctionSettings
from infra.rendering import built_images, images_of, rendered

SCRIPT = "#!/bin/sh\necho é\n"
YAML = """
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata: {name: NAME}
spec:
  run: {script: script.sh}
  input: [{bucket: uploads}]
  output: [{bucket: results}]
  secrets: [token]
"""


def settings(**changes):
    values = {
        "kubeconfig": "/some/file",
        "context": "box",
        "platform": "organization/headrace/test",
        "functions": ("thumb",),
        "images": {"thumb": "debian:12"},
    }
    return FunctionSettings(**{**values, **changes})


@pytest.fixture
def top(tmp_path):
    for name in ("thumb", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "function.yaml").write_text(YAML.replace("NAME", name))
        (tmp_path / name / "script.sh").write_text(SCRIPT)
    return tmp_path


def test_the_image_is_named_the_script_inlined_and_nothing_else_added(top):
    (found,) = rendered(settings(), top, {})
    assert found.manifest == {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "thumb"},
        "spec": {
            "run": {"script": "script.sh", "source": SCRIPT},
            "input": [{"bucket": "uploads"}],
            "output": [{"bucket": "results"}],
            "secrets": ["token"],
            "image": "debian:12",
        },
    }
    assert found.function == Function.from_json(json.dumps(found.manifest))
    assert found.buckets == {"uploads", "results"}


def test_a_configured_image_goes_before_a_built_one(top):
    (found,) = rendered(settings(), top, {"thumb": "built"})
    assert found.function.spec.image == "debian:12"
    (found,) = rendered(settings(images={}), top, {"thumb": "built"})
    assert found.function.spec.image == "built"


def test_every_fault_of_every_function_is_told_at_once(top):
    (top / "other" / "function.yaml").write_text(YAML.replace("NAME", "other").replace("bucket", "buckit"))
    (top / "thumb" / "script.sh").write_bytes(b"\xff")
    wrong = settings(
        functions=("thumb", "other", "nothere"),
        images={"thumb": "debian:12", "gone": "debian:12"},
        secrets={"unused": {"KEY": "hush"}},
    )
    with pytest.raises(ConfigurationError) as told:
        rendered(wrong, top, {})
    text = str(told.value)
    for part in ("nothere", "images.gone", "did you mean bucket?", "is no UTF-8", "secrets.unused"):
        assert part in text
    assert "hush" not in text


def test_a_function_without_an_image_is_refused_before_anything_is_declared(top):
    with pytest.raises(ConfigurationError, match=r"spec.image: found none"):
        rendered(settings(images={}), top, {})


def test_images_are_read_from_the_file_that_was_built(tmp_path):
    (tmp_path / "images.json").write_text('{"echo": "here/echo:1@sha256:1"}')
    found = built_images(settings(images_file="images.json"), tmp_path)
    assert found == {"echo": "here/echo:1@sha256:1"}
    assert built_images(settings(), tmp_path) == {}
    with pytest.raises(
        ConfigurationError, match=r"imagesFile: .*other.json can't be read.* with digests, in images"
    ):
        built_images(settings(images_file="other.json"), tmp_path)


@pytest.mark.parametrize("text", ["[", "[1]", '{"a": 1}'])
def test_a_file_of_images_that_is_none_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"imagesFile: .*run `make images` again"):
        images_of(text, "imagesFile")
