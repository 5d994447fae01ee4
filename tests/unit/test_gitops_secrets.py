"""A stack's secrets beside its files: kept from run to run, put onto a cluster or printed."""

import asyncio
import base64
import functools
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from headrace.kube.kinds import DEPLOYMENTS, NAMESPACES, SECRETS, STATEFUL_SETS
from headrace.kube.memory import MemoryKube
from headrace.kube.naming import annotations_of, key_of, version_of
from headrace.kube.port import Selection
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import Settings
from infra.gitops import given
from infra.gitops.__main__ import main
from infra.gitops.applying import RESTARTED, UNREAD, Change, apply, refuse_foreign
from infra.gitops.keeping import KEY, NAME, kept_of
from infra.gitops.making import kept_in, wanted
from infra.gitops.printing import printed, secret_in
from infra.gitops.programs import program
from infra.gitops.projects import FUNCTIONS, PLATFORM, stack_file
from infra.gitops.rendering import stack_without_secrets
from infra.manifests import nats
from tests.infra.checkout import Checkout, encrypted

NOW = "2026-05-01T12:00:00+00:00"
CREDENTIALS = ("headrace", NAME)
NATS = ("headrace", "nats-passwords")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    made.platform()
    return made


@functools.cache
def shown(folder):
    """What the files hold."""
    return stack_without_secrets(PLATFORM, folder, "test").objects


def made(checkout, kept=None, **texts):
    """What the stack wants, its file and other values taken together; the files do not know of those."""
    known = stack_file(checkout.folder, PLATFORM, "test").texts
    platform = program(PLATFORM, checkout.folder, "test", texts={**known, **texts})
    return wanted(platform, kept or {}, shown(checkout.folder))


@pytest.fixture(scope="module")
def first(checkout):
    return made(checkout)


@pytest.fixture(scope="module")
def rotated(checkout, first):
    """The same after the passwords' rotation, which the files do not know yet."""
    return made(checkout, kept_in(first.credentials), rotation='{"passwords": 2}')


def data(found, namespace, name):
    (secret,) = [each for each in found.secrets if key_of(each) == (namespace, name)]
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


# What is made


def test_all_that_the_files_read_is_made(checkout, first):
    hidden = stack_without_secrets(PLATFORM, checkout.folder, "test").secrets
    assert {key_of(each) for each in first.secrets} == {key_of(each) for each in hidden}
    assert len(first.made) == 14
    settings = Settings.from_json(data(first, "headrace", "headrace-receiver")["settings.json"])
    assert settings.queue.password == data(first, *NATS)["EVENTS_PASSWORD"]
    assert data(first, "headrace", "headrace-receiver")["ca.crt"].startswith("-----BEGIN CERTIFICATE")


def test_a_tenant_gets_passwords_of_its_own_and_others_keep_theirs(checkout, first):
    tenants = json.dumps({"lab": {"buckets": {"uploads": {}}}})
    found = made(checkout, kept_in(first.credentials), tenants=tenants)
    assert len(found.made) == len(nats.USERS) + 1  # and one key of the store
    worker = Settings.from_json(data(found, "lab", "headrace-worker")["settings.json"])
    assert worker.queue.password == data(found, *NATS)["TENANT_LAB_WORKER_PASSWORD"]
    assert data(found, *NATS)["WORKER_PASSWORD"] == data(first, *NATS)["WORKER_PASSWORD"]


def test_what_was_kept_is_not_made_again(checkout, first):
    again = made(checkout, kept_in(first.credentials))
    assert (again.made, again.secrets, again.credentials) == ([], first.secrets, first.credentials)


@pytest.mark.parametrize(
    ("values", "anew"),
    [
        ({"rotation": '{"passwords": 2}'}, 12),
        ({"rotation": '{"certificates": 2}'}, 1),
        ({"rotation": '{"authority": 2}'}, 2),
        ({"receiver": '{"listingSeconds": 60}'}, 0),
    ],
)
def test_only_what_a_setting_is_about_is_made_anew(checkout, first, values, anew):
    found = made(checkout, kept_in(first.credentials), **values)
    assert len(found.made) == anew
    assert (found.secrets == first.secrets) is False


def test_a_certificate_that_ends_before_long_is_made_anew(checkout, first):
    kept = {name: dict(each) for name, each in kept_in(first.credentials).items()}
    kept["credentials-queue"]["ends"] = "2020-01-01T00:00:00+00:00"
    assert made(checkout, kept).made == ["credentials-queue"]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_what_was_not_kept_by_this_is_refused_and_not_shown(text):
    with pytest.raises(ConfigurationError, match="is not what this command wrote") as error:
        kept_of(text, "Secret x")
    assert text not in str(error.value).replace("Secret x", "")


# Onto a cluster


async def beside(step, *arguments):
    """Pulumi runs a program in a loop of its own."""
    return await asyncio.to_thread(step, *arguments)


async def cluster(checkout, *, with_files=True):
    """An API server; the workloads of the files are there or yet to come."""
    kube = MemoryKube(namespaces=("default",))
    if with_files:
        await kube.create(NAMESPACES, {"metadata": {"name": "headrace"}})
        kinds = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS}
        for each in await beside(shown, checkout.folder):
            if each["kind"] in kinds:
                await kube.create(kinds[each["kind"]], each)
    return kube


async def restarted(kube):
    kinds = (DEPLOYMENTS, STATEFUL_SETS)
    found = [each for kind in kinds for each in (await kube.list(kind)).items]
    notes = {key_of(each)[1]: annotations_of(each["spec"]["template"]) for each in found}
    return {name for name, each in notes.items() if RESTARTED in each}


async def versions(kube):
    return {key_of(each): version_of(each) for each in (await kube.list(SECRETS, Selection())).items}


async def test_secrets_may_come_before_the_files(checkout, first):
    kube = await cluster(checkout, with_files=False)
    outcome = await apply(kube, first, None, NOW)
    assert set(outcome.changes.values()) == {Change.NEW}
    assert outcome.restarted == []
    there = await kube.get(SECRETS, "headrace-worker", namespace="headrace-functions")
    assert there["data"] == {
        k: base64.b64encode(v.encode()).decode()
        for k, v in data(first, "headrace-functions", "headrace-worker").items()
    }
    space = await kube.get(NAMESPACES, "headrace")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


async def test_a_second_run_writes_nothing(checkout, first):
    kube = await cluster(checkout)
    await apply(kube, first, None, NOW)
    before = await versions(kube)
    outcome = await apply(kube, first, await kube.get(SECRETS, NAME, namespace="headrace"), NOW)
    assert set(outcome.changes.values()) == {Change.SAME}
    assert await versions(kube) == before
    assert await restarted(kube) == set()


async def test_a_renewed_certificate_restarts_its_reader_alone(checkout, first):
    kube = await cluster(checkout)
    await apply(kube, first, None, NOW)
    kept = {name: dict(each) for name, each in kept_in(first.credentials).items()}
    kept["credentials-queue"]["ends"] = "2020-01-01T00:00:00+00:00"
    before = await kube.get(SECRETS, NAME, namespace="headrace")
    outcome = await apply(kube, await beside(made, checkout, kept), before, NOW)
    assert outcome.restarted == ["StatefulSet headrace/nats"]
    assert await restarted(kube) == {"nats"}
    assert not any(UNREAD in annotations_of(each) for each in (await kube.list(SECRETS)).items)


async def test_files_that_are_yet_to_come_restart_pods_themselves(checkout, first, rotated):
    kube = await cluster(checkout)
    await apply(kube, first, None, NOW)
    workloads = [_with_mark(each, "of the new files") for each in rotated.workloads]
    before = await kube.get(SECRETS, NAME, namespace="headrace")
    outcome = await apply(kube, replaced(rotated, workloads=workloads), before, NOW)
    assert outcome.changes[NATS] is Change.CHANGED
    assert outcome.restarted == []


def replaced(found, **changes):
    return type(found)(**{name: getattr(found, name) for name in type(found).__slots__} | changes)


def _with_mark(workload, mark):
    document = json.loads(json.dumps(workload))
    document["spec"]["template"]["metadata"].setdefault("annotations", {})["headrace.dev/settings"] = mark
    return document


class Failing(MemoryKube):
    """Refuses to patch once it is told to."""

    fails = False

    async def patch(self, *arguments, **options):
        if self.fails:
            raise TransientError("gone away")
        return await super().patch(*arguments, **options)


async def test_readers_that_were_not_told_are_told_by_the_next_run(checkout, first, rotated):
    kube = Failing(namespaces=("default", "headrace"))
    for each in first.workloads:
        await kube.create({"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS}[each["kind"]], each)
    await apply(kube, first, None, NOW)
    rotated = replaced(rotated, workloads=first.workloads)
    before = await kube.get(SECRETS, NAME, namespace="headrace")
    kube.fails = True
    with pytest.raises(TransientError):
        await apply(kube, rotated, before, NOW)
    kube.fails = False
    outcome = await apply(kube, rotated, await kube.get(SECRETS, NAME, namespace="headrace"), NOW)
    assert await restarted(kube) == {"controller", "nats", "receiver", "scaler", "seaweedfs"}
    former = {key_of(each): each["data"] for each in first.secrets}
    assert outcome.changes == {
        key_of(each): Change.SAME if each["data"] == former[key_of(each)] else Change.CHANGED
        for each in rotated.secrets
    }
    assert set(outcome.changes.values()) == {Change.CHANGED, Change.SAME}


async def test_secrets_that_pulumi_keeps_are_left_alone_unless_a_person_says_so(checkout, first):
    kube = await cluster(checkout)
    await kube.create(SECRETS, {"metadata": {"name": NATS[1], "namespace": NATS[0]}, "data": {"A": "Yg=="}})
    with pytest.raises(ConfigurationError, match=r"found headrace/nats-passwords, which .* --take-over"):
        await refuse_foreign(kube, first)
    outcome = await apply(kube, first, None, NOW)
    assert (outcome.changes[NATS], outcome.restarted) == (Change.CHANGED, ["StatefulSet headrace/nats"])
    await refuse_foreign(kube, first)


async def test_two_runs_at_once_do_not_mix_their_passwords(checkout, first):
    kube = await cluster(checkout)
    await apply(kube, first, None, NOW)
    with pytest.raises(ConfigurationError, match="run this again"):
        await apply(kube, await beside(made, checkout), None, NOW)
    stale = {
        **first.credentials,
        "metadata": {**first.credentials["metadata"], "resourceVersion": "1"},
        "data": {},
    }
    with pytest.raises(ConfigurationError, match="run this again"):
        await apply(kube, first, stale, NOW)
    assert (await kube.get(SECRETS, NATS[1], namespace="headrace"))["data"] == {
        key: base64.b64encode(value.encode()).decode() for key, value in data(first, *NATS).items()
    }


class Between(MemoryKube):
    """Does something of another run's once a number of Secrets was read; `left`: how many are to come."""

    left = 0

    async def get(self, kind, *arguments, **options):
        found = await super().get(kind, *arguments, **options)
        self.left -= kind is SECRETS
        if self.left == 0 and kind is SECRETS:
            await self.step()
        return found


MISSING = ("headrace-functions", "headrace-worker")


async def with_one_missing(first):
    """A cluster on which a run that keeps all has something to do; and what it read of the credentials."""
    kube = Between()
    await apply(kube, first, None, NOW)
    await kube.delete(SECRETS, MISSING[1], namespace=MISSING[0])
    return kube, await kube.get(SECRETS, NAME, namespace="headrace")


async def test_a_run_that_keeps_all_does_not_write_over_one_that_rotates(first, rotated):
    kube, before = await with_one_missing(first)
    kube.left = 0
    await apply(kube, first, before, NOW)
    last = -kube.left
    assert last == len(first.secrets) + 1  # all but the missing one, its claim and a last look at that
    for reads in range(1, last):
        kube, before = await with_one_missing(first)

        async def rotate(kube=kube):
            now = await kube.get(SECRETS, NAME, namespace="headrace")
            await apply(kube, rotated, now, NOW)

        kube.left, kube.step = reads, rotate
        with pytest.raises(ConfigurationError, match="run this again"):
            await apply(kube, first, before, NOW)
        assert await apart(kube, rotated) <= {MISSING}
        await rotate()
        assert await apart(kube, rotated) == set()


async def apart(kube, found):
    """Secrets that are not as a run wants them."""
    there = {key_of(each): each["data"] for each in (await kube.list(SECRETS)).items}
    return {key_of(each) for each in found.secrets if there[key_of(each)] != each["data"]}


async def test_a_run_that_rotates_does_not_write_over_one_that_keeps_all(first, rotated):
    kube, before = await with_one_missing(first)
    await apply(kube, first, before, NOW)
    with pytest.raises(ConfigurationError, match="run this again"):
        await apply(kube, rotated, before, NOW)
    assert await apart(kube, first) == set()


def of_functions(folder, texts):
    found = program(FUNCTIONS, folder, "test", texts=texts)
    return wanted(found, {}, stack_without_secrets(FUNCTIONS, folder, "test").objects)


async def test_a_secret_that_is_no_longer_wanted_goes_and_those_of_others_stay(checkout, tmp_path):
    own = Checkout(tmp_path)
    own.platform()
    own.functions(secrets={"token": {"KEY": encrypted("x")}})
    kube = MemoryKube()
    await kube.create(SECRETS, {"metadata": {"name": "other", "namespace": "headrace-functions"}})
    texts = {**stack_file(own.folder, FUNCTIONS, "test").texts, "secrets": '{"token": {"KEY": "hush"}}'}
    await apply(kube, await beside(of_functions, own.folder, texts), None, NOW)
    there = await kube.get(SECRETS, "token", namespace="headrace-functions")
    assert base64.b64decode(there["data"]["KEY"]) == b"hush"
    own.functions()
    texts = stack_file(own.folder, FUNCTIONS, "test").texts
    outcome = await apply(kube, await beside(of_functions, own.folder, texts), None, NOW)
    assert outcome.changes == {("headrace-functions", "token"): Change.GONE}
    assert [key_of(each)[1] for each in (await kube.list(SECRETS)).items] == ["other"]


# Printed


def test_what_is_printed_holds_all_and_is_kept_by_the_next_run(first, tmp_path):
    text = printed(first)
    found = list(yaml.safe_load_all(text))
    assert {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found} == {
        *map(key_of, first.secrets),
        CREDENTIALS,
    }
    (tmp_path / "kept.yaml").write_text(text)
    assert kept_in(secret_in(tmp_path / "kept.yaml")) == kept_in(first.credentials)


def test_what_was_not_printed_by_this_is_refused_and_not_shown(tmp_path):
    (tmp_path / "kept.yaml").write_text("hush: [")
    with pytest.raises(ConfigurationError, match=f"found 0 Secrets {NAME}") as error:
        secret_in(tmp_path / "kept.yaml")
    assert "hush" not in str(error.value)


def test_the_command_prints_and_keeps(checkout, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(checkout.folder)
    assert main(["secrets", "test"]) == 2
    assert "kubeconfig and context missing" in capsys.readouterr().err
    assert main(["secrets", "test", "--print"]) == 0
    once = capsys.readouterr()
    (tmp_path / "kept.yaml").write_text(once.out)
    assert main(["secrets", "test", "--print", "--previous", str(tmp_path / "kept.yaml")]) == 0
    again = capsys.readouterr()
    assert again.out == once.out
    assert again.err == "made now: nothing; all was kept\n"
    values = [json.loads(each)["value"] for each in re_values(once.out)]
    assert len(values) == 12
    assert [value for value in values if value in once.err] == []


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--previous", "kept.yaml"], "--previous: found without --print"),
        (["--print", "--take-over"], "--take-over: found beside --print"),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused(checkout, monkeypatch, capsys, flags, told):
    monkeypatch.chdir(checkout.folder)
    assert main(["secrets", "test", *flags]) == 2
    found = capsys.readouterr()
    assert (found.out, told in found.err) == ("", True)


def re_values(text):
    """The passwords that a stream keeps, as JSON."""
    (kept,) = [each for each in yaml.safe_load_all(text) if each["metadata"]["name"] == NAME]
    found = json.loads(base64.b64decode(kept["data"][KEY]))
    return [json.dumps(each) for each in found.values() if "value" in each]


# Values that are encrypted in the stack's file

STORE = {"s3": {"endpoint": "https://s3.example", "accessKey": "key", "secretKey": encrypted("c")}}
FULL = {"s3": {**STORE["s3"], "secretKey": "hush"}}


@pytest.fixture
def hiding(tmp_path):
    found = Checkout(tmp_path)
    found.platform(store=STORE, namespace="space")
    return found


def test_pulumi_decrypts_what_is_encrypted(hiding):
    asked = []

    def run(command, folder):
        asked.append((command, folder))
        told = {
            "headrace:store": {"value": json.dumps(FULL), "secret": True},
            "headrace:namespace": {"value": "space"},
            "other:key": {"value": "x"},
        }
        return subprocess.CompletedProcess(command, 0, json.dumps(told), "")

    file = stack_file(hiding.folder, PLATFORM, "test")
    texts = given.by_pulumi(PLATFORM, hiding.folder, file, run)
    assert {key: texts[key] for key in texts} == {"store": json.dumps(FULL), "namespace": "space"}
    ((command, folder),) = asked
    assert command[:2] == ["pulumi", "config"]
    assert folder == hiding.folder
    found = wanted(program(PLATFORM, hiding.folder, "test", texts=texts), {}, [])
    assert (
        Settings.from_json(data(found, "space", "headrace-receiver")["settings.json"]).storage.secret_key
        == "hush"
    )


def test_pulumi_is_not_asked_where_nothing_is_encrypted(checkout):
    def run(command, folder):
        raise AssertionError(command)

    file = stack_file(checkout.folder, PLATFORM, "test")
    assert given.by_pulumi(PLATFORM, checkout.folder, file, run) == {}


def test_a_pulumi_that_is_missing_or_refuses_is_told_with_the_keys(hiding):
    def missing(command, folder):
        raise FileNotFoundError("no pulumi")

    def refusing(command, folder):
        return subprocess.CompletedProcess(command, 255, "", "incorrect passphrase")

    file = stack_file(hiding.folder, PLATFORM, "test")
    for run, told in ((missing, "no pulumi"), (refusing, "incorrect passphrase")):
        with pytest.raises(ConfigurationError, match=rf"store hold encrypted.*{told}.*--given"):
            given.by_pulumi(PLATFORM, hiding.folder, file, run)


def test_a_file_may_give_what_is_encrypted(hiding):
    (hiding.folder / "given.yaml").write_text("headrace:store: {s3: {secretKey: hush}}")
    file = stack_file(hiding.folder, PLATFORM, "test")
    texts = given.by_file(PLATFORM, file, str(hiding.folder / "given.yaml"))
    assert json.loads(texts["store"]) == FULL
    assert texts["namespace"] == "space"


def test_a_file_that_gives_too_little_or_too_much_is_refused_and_not_shown(hiding):
    (hiding.folder / "given.yaml").write_text("headrace:store: {s3: {accessKey: hush}}\nheadrace:wait: hush")
    file = stack_file(hiding.folder, PLATFORM, "test")
    with pytest.raises(ConfigurationError) as error:
        given.by_file(PLATFORM, file, str(hiding.folder / "given.yaml"))
    text = str(error.value)
    for part in (
        "store.s3.secretKey: is missing",
        "store.s3.accessKey: found a value",
        "wait: found a value",
    ):
        assert part in text
    assert "hush" not in text
    (Path(hiding.folder) / "given.yaml").write_text("[hush")
    with pytest.raises(ConfigurationError, match="is no YAML mapping") as error:
        given.by_file(PLATFORM, file, str(hiding.folder / "given.yaml"))
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("secrets", "value", "told"),
    [
        ({"token": {"KEY": encrypted("x")}}, "123456789", "secrets.token.KEY: found a decrypted value"),
        ({"token": encrypted("x")}, "'hush-123456789'", "secrets.token: found 'secret-not-here-"),
    ],
    ids=["no text", "in the wrong place"],
)
def test_a_decrypted_value_that_is_refused_is_not_shown(monkeypatch, capsys, tmp_path, secrets, value, told):
    own = Checkout(tmp_path)
    own.platform()
    own.functions(secrets=secrets)
    place = "{KEY: %s}" if "KEY" in secrets["token"] else "%s"
    (tmp_path / "given.yaml").write_text(f"headrace-functions:secrets: {{token: {place % value}}}")
    monkeypatch.chdir(tmp_path)
    assert main(["secrets", "test", "--project", "functions", "--given", "given.yaml", "--print"]) == 2
    found = capsys.readouterr()
    assert told in found.err
    assert "123456789" not in found.out + found.err


def test_a_decrypted_kubeconfig_that_is_none_is_not_shown(monkeypatch, capsys, tmp_path):
    own = Checkout(tmp_path)
    own.platform(kubeconfig=encrypted("x"), context="lab")
    (tmp_path / "given.yaml").write_text("headrace:kubeconfig: hush-123456789")
    monkeypatch.chdir(tmp_path)
    assert main(["secrets", "test", "--given", "given.yaml"]) == 2
    found = capsys.readouterr()
    assert "kubeconfig: found the relative path '[secret]'" in found.err
    assert "123456789" not in found.out + found.err
