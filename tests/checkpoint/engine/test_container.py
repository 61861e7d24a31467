from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyncrit.checkpoint import documents
from dyncrit.checkpoint.engine.container import Container, read_container
from dyncrit.checkpoint.problems import Problems
from dyncrit.checkpoint.storage.archive import open_archive, open_archive_view
from dyncrit.checkpoint.storage.oci import open_image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dyncrit.checkpoint.storage.tree import FileTree


def tree_of(**files: object) -> FileTree:
    """A tree with files of JSON, or of bytes; ``config_dump`` stands for ``config.dump``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, value in files.items():
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return open_archive_view(memoryview(buffer.getvalue()), "x.tar", ("x",))


def read(annotations: Mapping[str, str] | None = None, **files: object) -> Container:
    problems = Problems()
    container = read_container(tree_of(**files), annotations or {}, problems)
    assert list(problems) == []
    assert container is not None
    return container


def of_archive(path: Path) -> Container | None:
    problems = Problems()
    tree, annotations = open_archive(path), {}
    if image := open_image(tree):
        tree, annotations = image.tree, dict(image.annotations)
    container = read_container(tree, annotations, problems)
    assert list(problems) == []
    return container


PODMAN = (
    "podman-4.3-app-criu-4.1.1.tar.gz",
    "podman-4.3-app.tar.gz",
    "podman-4.3-loop-misnamed.tar.gz",
    "podman-4.3-loop.tar",
    "podman-4.3-pre-checkpoint.tar",
    "podman-4.3-volumes.tar",
    "podman-4.3-with-previous.tar",
    "podman-5.8-image.oci-archive.tar",
    "podman-5.8-loop.tar.zst",
    "podman-5.8-tree.tar.gz",
)


@pytest.mark.parametrize("name", PODMAN)
def test_podmans_containers_are_as_they_ran(name: str, corpus: Path) -> None:
    container = of_archive(corpus / "archives" / name)
    ran = (corpus / "archives" / f"{name}.run.txt").read_text()
    assert container is not None
    assert container.engine == "Podman"
    for field in ("id", "image", "runtime"):
        told = re.search(rf"\b{field}=(\S+)", ran)
        assert told
        assert getattr(container, field) == told[1], field
    command = re.search(r"cmd=(\[.*\])", ran)
    assert command
    arguments = json.loads(command[1])
    assert container.name == arguments[arguments.index("--name") + 1]
    assert list(container.command) == arguments[arguments.index(container.image) + 1 :]
    environment = ran.split("## environment of pid 1\n")[1].split("\n##")[0].splitlines()
    assert {*environment} == {*container.environment}
    assert container.hostname == dict(item.split("=", 1) for item in environment)["HOSTNAME"]
    assert container.created.startswith("2026-11-23T13:")
    assert container.checkpointed == ""
    assert (container.addresses, container.hardware_addresses) == ((), ())


def test_containerds_container_is_as_it_ran(corpus: Path) -> None:
    path = corpus / "archives" / "containerd-2.1-loop.tar"
    container = of_archive(path)
    ran = path.with_name(f"{path.name}.run.txt").read_text()
    environment = tuple(ran.split("## env\n")[1].splitlines())
    assert container is not None
    assert container.id in ran
    assert " ".join(container.command) in ran
    assert container.environment == environment[:-1]  # the shell has added HOME
    assert container == Container(
        name="loop",
        id="2478b1e8d666bf1e444241bf8ec73b25129a672dae973c6b059b9856cfd9a5a4",
        image="localhost/demo/busybox:1.35",
        image_id="sha256:854a091e847cd44a97c7905532288186fce94f461d69c82293ef2d73cceae20f",
        runtime="io.containerd.runc.v2",
        engine="containerd",
        created="2026-11-23T13:33:30.793254366Z",
        checkpointed="2026-11-23T13:33:32.34648355Z",
        pod="demo-pod-loop",
        pod_id="ac117ef718a9df6f2fe2fda4e1d017ec6547e92b608faab457ac947e3bc79198",
        namespace="default",
        command=container.command,
        environment=container.environment,
    )


@pytest.mark.parametrize("name", ["containerd-2.1-ctr-blob.tar", "docker-28-loop-directory.tar.gz"])
def test_bare_images_have_no_container(name: str, corpus: Path) -> None:
    assert of_archive(corpus / "archives" / name) is None


def test_cri_o_tells_names_and_addresses_in_annotations() -> None:
    container = read(
        config_dump={
            "id": "6924be1bd90c", "name": "k8s_counter_counters_default", "rootfsImageName": "quay.io/counter:1",
            "runtime": "runc", "createdTime": "2023-02-13T16:12:25Z", "checkpointedTime": "2023-02-13T16:20:09Z",
        },
        spec_dump={
            "hostname": "counters",
            "annotations": {
                "io.container.manager": "cri-o",
                "io.kubernetes.cri-o.Metadata": '{"name": "counter", "attempt": 1}',
                "io.kubernetes.cri-o.IP.0": "10.88.0.25",
                "io.kubernetes.cri-o.IP.1": "fd00::25",
                "io.kubernetes.cri-o.Created": "2023-02-13T16:12:25.8413Z",
                "io.kubernetes.cri-o.SandboxID": "abc",
                "io.kubernetes.pod.name": "counters",
                "io.kubernetes.pod.namespace": "default",
            },
        },
    )  # fmt: skip
    assert container == Container(
        name="counter", id="6924be1bd90c", image="quay.io/counter:1", runtime="runc", engine="CRI-O",
        created="2023-02-13T16:12:25.8413Z", checkpointed="2023-02-13T16:20:09Z", hostname="counters",
        addresses=("10.88.0.25", "fd00::25"), pod="counters", pod_id="abc", namespace="default",
    )  # fmt: skip


def test_a_damaged_annotation_of_cri_o_is_a_warning() -> None:
    problems = Problems()
    spec = {"annotations": {"io.container.manager": "cri-o", "io.kubernetes.cri-o.Metadata": "{"}}
    container = read_container(tree_of(spec_dump=spec), {}, problems)
    assert container == Container(engine="CRI-O")
    assert [problem.severity for problem in problems] == ["warning"]
    assert "io.kubernetes.cri-o.Metadata: no JSON" in str(*problems)


def test_a_podman_container_keeps_its_name_whatever_it_is_annotated_with() -> None:
    annotations = {"io.container.manager": "libpod", "io.kubernetes.container.name": "other"}
    assert read(config_dump={"name": "mine"}, spec_dump={"annotations": annotations}).name == "mine"


def test_addresses_of_podmans_networks() -> None:
    netavark = {
        "podman": {"interfaces": {"eth0": {
            "subnets": [{"ipnet": "10.88.0.9/16", "gateway": "10.88.0.1"}, {"ipnet": "fd00::9/64"}],
            "mac_address": "0a:1b:2c:3d:4e:5f",
        }}},
        "other": {"interfaces": {"eth1": {"subnets": [{"ipnet": "10.89.0.2/24"}], "mac_address": "0a:00:00:00:00:01"}}},
    }  # fmt: skip
    container = read(network_status=netavark)
    assert container.addresses == ("10.88.0.9", "fd00::9", "10.89.0.2")
    assert container.hardware_addresses == ("0a:1b:2c:3d:4e:5f", "0a:00:00:00:00:01")
    cni = [{
        "cniVersion": "0.4.0",
        "interfaces": [
            {"name": "cni-podman0", "mac": "0a:00:00:00:00:02"},
            {"name": "eth0", "mac": "0a:00:00:00:00:03", "sandbox": "/run/netns/cni-1"},
        ],
        "ips": [{"version": "4", "interface": 1, "address": "10.88.0.7/16", "gateway": "10.88.0.1"}],
    }]  # fmt: skip
    container = read(network_status=cni)
    assert container.addresses == ("10.88.0.7",)
    assert container.hardware_addresses == ("0a:00:00:00:00:03",)


def test_an_image_tells_by_its_annotations_alone() -> None:
    prefix = "io.podman.annotations.checkpoint."
    podman = {"name": "web", "rootfsImageName": "nginx", "rootfsImageID": "1", "runtime.name": "crun"}
    annotations = {prefix + key: value for key, value in podman.items()}
    assert read(annotations) == Container(
        name="web", image="nginx", image_id="1", runtime="crun", engine="Podman"
    )
    prefix = "org.criu.checkpoint."
    keys = {
        "container.name": "web",
        "engine.name": "cri-o",
        "pod.name": "p",
        "pod.id": "7",
        "pod.namespace": "n",
        "rootfsImageName": "nginx",
    }
    container = read({prefix + key: value for key, value in keys.items()})
    assert container == Container(
        name="web", image="nginx", engine="CRI-O", pod="p", pod_id="7", namespace="n"
    )
    assert read({"io.kubernetes.cri-o.annotations.checkpoint.name": "c"}) == Container(
        name="c", engine="CRI-O"
    )


def test_a_time_that_isnt_set_is_unknown() -> None:
    assert read(config_dump={"id": "1", "checkpointedTime": "0001-01-01T00:00:00Z"}).checkpointed == ""
    status = {"id": "1", "created_at": 1795440810793939356}
    assert read(status_dump=status).created == "2026-11-23T13:33:30.793939356Z"
    for absurd in (-1, 2**70, True, "x", None, 1.5):
        assert read(status_dump=status | {"created_at": absurd}).created == ""


def test_text_that_isnt_unicode_is_kept() -> None:
    assert read(config_dump=b'{"name": "a\\udcffb", "id": "\xc3\xbc"}').name == "a\udcffb"


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xff", b"[" * 100_000, b'{"id": ' + b"1" * 10_000 + b"}", b"[1]", b"3"]
)
def test_damaged_metadata_is_a_problem_and_the_rest_is_shown(text: bytes) -> None:
    problems = Problems()
    container = read_container(tree_of(config_dump=text, spec_dump={"hostname": "h"}), {}, problems)
    assert container == Container(hostname="h")
    assert [(problem.severity, problem.place) for problem in problems] == [("error", "config.dump")]


def test_metadata_of_more_than_the_bound_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_SIZE", 10)
    problems = Problems()
    assert read_container(tree_of(config_dump={"id": "123456789"}), {}, problems) is None
    assert "more than the 10 that are read" in str(*problems)


_KEYS = [
    "id",
    "name",
    "annotations",
    "process",
    "args",
    "env",
    "metadata",
    "labels",
    "image",
    "interfaces",
    "ips",
    "subnets",
    "ipnet",
]
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=15,
)


@given(config=_JSON, spec=_JSON, status=_JSON, network=_JSON)
def test_metadata_of_any_shape_is_read_without_errors(
    config: Any, spec: Any, status: Any, network: Any
) -> None:
    tree = tree_of(
        config_dump=config, spec_dump=spec, status_dump=status, network_status=network, status=config
    )
    container = read_container(tree, {}, Problems())
    assert container is None or all(
        isinstance(value, str | tuple) for value in (container.name, container.addresses)
    )


def test_gzipped_metadata_is_a_problem() -> None:
    problems = Problems()
    assert read_container(tree_of(config_dump=gzip.compress(b"{}")), {}, problems) is None
    assert len(problems.errors) == 1
