"""What a container engine says of the container that it checkpointed, in the files beside the images.

The files are those of Podman (``config.dump``, ``spec.dump``, ``network.status``), and of CRI-O and
containerd (``status.dump``, ``status`` too); their keys are as checkpointctl 1.3 reads them
(``internal/container.go``, ``lib/annotations.go``).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dyncrit.checkpoint.documents import objects, parse_document, text_at, texts
from dyncrit.errors import ImageError, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dyncrit.checkpoint.problems import Problems
    from dyncrit.checkpoint.storage.tree import FileTree


@dataclass(frozen=True, slots=True)
class Container:
    """A container as its engine knew it. What isn't known is empty.

    ``engine`` is Podman, CRI-O or containerd; ``created`` and ``checkpointed`` are in ISO 8601, as the
    engine wrote them; ``addresses`` are IP addresses without the length of their prefix. ``command`` and
    ``environment`` are those of its first process.
    """

    name: str = ""
    id: str = ""
    image: str = ""
    image_id: str = ""
    runtime: str = ""
    engine: str = ""
    created: str = ""
    checkpointed: str = ""
    hostname: str = ""
    addresses: tuple[str, ...] = ()
    hardware_addresses: tuple[str, ...] = ()
    pod: str = ""
    pod_id: str = ""
    namespace: str = ""
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


def read_container(tree: FileTree, annotations: Mapping[str, str], problems: Problems) -> Container | None:
    """What is known of a container: ``tree`` has the engine's files, ``annotations`` are its OCI image's.

    None where neither says anything. What is damaged goes to ``problems``.
    """
    documents = {key: _document(tree, name, problems) for key, name in _FILES.items()}
    documents["image"] = dict(annotations)
    documents["crio"] = _crio_metadata(documents, problems)
    engine = _engine(documents)
    values = {key: _first(documents, ways) for key, ways in _SOURCES.items()}
    if engine == "Podman":  # a Podman container may carry what it was annotated with for Kubernetes
        values["name"] = text_at(documents["config"], "name") or values["name"]
    values["created"] = values["created"] or _created(documents["status_dump"])
    addresses, hardware_addresses = _network(documents["network"])
    process = _object(documents["spec"], "process")
    container = Container(
        **values,
        engine=engine,
        addresses=tuple(addresses or _crio_addresses(documents["spec"])),
        hardware_addresses=tuple(hardware_addresses),
        command=tuple(texts(process.get("args"))),
        environment=tuple(texts(process.get("env"))),
    )
    return container if any(getattr(container, item.name) for item in fields(container)) else None


_FILES = {
    "config": "config.dump",
    "spec": "spec.dump",
    "status_dump": "status.dump",
    "status": "status",
    "network": "network.status",
}

_MANAGER = ("spec", "annotations", "io.container.manager")
_MANAGERS = {"libpod": "Podman", "cri-o": "CRI-O"}
_CRIO_METADATA = ("spec", "annotations", "io.kubernetes.cri-o.Metadata")
_MAX_NANOSECONDS = 1 << 63
_NO_TIME = "0001-01-01T00:00:00Z"  # how Go writes a time that isn't set

# Where each value stands: a document, and the keys in it; the first that has one counts.
_SOURCES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "name": (
        ("spec", "annotations", "io.kubernetes.cri.container-name"),
        ("crio", "name"),
        ("spec", "annotations", "io.kubernetes.container.name"),
        ("status_dump", "metadata", "name"),
        ("config", "name"),
        ("image", "org.criu.checkpoint.container.name"),
        ("image", "io.podman.annotations.checkpoint.name"),
        ("image", "io.kubernetes.cri-o.annotations.checkpoint.name"),
    ),
    "id": (("config", "id"), ("status_dump", "id")),
    "image": (
        ("config", "rootfsImageName"),
        ("config", "rootfsImage"),
        ("config", "RawImageName"),
        ("spec", "annotations", "io.kubernetes.cri-o.ImageName"),
        ("spec", "annotations", "io.kubernetes.cri.image-name"),
        ("status_dump", "image", "image"),
        ("image", "org.criu.checkpoint.rootfsImageName"),
        ("image", "io.podman.annotations.checkpoint.rootfsImageName"),
        ("image", "io.kubernetes.cri-o.annotations.checkpoint.rootfsImageName"),
    ),
    "image_id": (
        ("config", "rootfsImageID"),
        ("config", "rootfsImageRef"),
        ("status_dump", "image_ref"),
        ("image", "org.criu.checkpoint.rootfsImageID"),
        ("image", "io.podman.annotations.checkpoint.rootfsImageID"),
        ("image", "io.kubernetes.cri-o.annotations.checkpoint.rootfsImageID"),
    ),
    "runtime": (
        ("config", "runtime"),
        ("image", "org.criu.checkpoint.runtime.name"),
        ("image", "io.podman.annotations.checkpoint.runtime.name"),
        ("image", "io.containerd.checkpoint.runtime"),
    ),
    "created": (("spec", "annotations", "io.kubernetes.cri-o.Created"), ("config", "createdTime")),
    "checkpointed": (("config", "checkpointedTime"),),
    "hostname": (("spec", "hostname"), ("spec", "annotations", "io.kubernetes.cri-o.HostName")),
    "pod": (
        ("spec", "annotations", "io.kubernetes.cri.sandbox-name"),
        ("spec", "annotations", "io.kubernetes.pod.name"),
        ("status_dump", "labels", "io.kubernetes.pod.name"),
        ("image", "org.criu.checkpoint.pod.name"),
    ),
    "pod_id": (
        ("spec", "annotations", "io.kubernetes.cri.sandbox-id"),
        ("spec", "annotations", "io.kubernetes.cri-o.SandboxID"),
        ("config", "pod"),
        ("image", "org.criu.checkpoint.pod.id"),
    ),
    "namespace": (
        ("spec", "annotations", "io.kubernetes.cri.sandbox-namespace"),
        ("spec", "annotations", "io.kubernetes.pod.namespace"),
        ("status_dump", "labels", "io.kubernetes.pod.namespace"),
        ("image", "org.criu.checkpoint.pod.namespace"),
    ),
}

# What tells the engine where the spec names no manager: keys of annotations, by how they begin.
_ENGINE_KEYS = {
    "io.kubernetes.cri.": "containerd",
    "io.containerd.": "containerd",
    "io.podman.annotations.checkpoint.": "Podman",
    "io.kubernetes.cri-o.annotations.checkpoint.": "CRI-O",
}
_ENGINE_NAME = ("image", "org.criu.checkpoint.engine.name")
_ENGINE_NAMES = {
    "podman": "Podman",
    "libpod": "Podman",
    "cri-o": "CRI-O",
    "crio": "CRI-O",
    "containerd": "containerd",
}


def _document(tree: FileTree, name: str, problems: Problems) -> object:
    """What a JSON file of the engine says; None where there is none, or it is damaged."""
    if name not in tree:
        return None
    try:
        document = parse_document(tree.view(name), name)
        if isinstance(document, dict) or name == _FILES["network"]:  # "null" where there is no network
            return document
        problems.error(name, f"expected an object, found {describe(document)}")
    except ImageError as error:
        problems.error(name, f"{error.problem}; what it says of the container is missing")
    except OSError as error:
        problems.error(name, f"can't be read: {error.strerror or error}")
    return None


def _first(documents: Mapping[str, object], ways: Iterable[tuple[str, ...]]) -> str:
    found = (text_at(documents, *way) for way in ways)
    return next((text for text in found if text and text != _NO_TIME), "")


def _object(document: object, key: str) -> Mapping[str, object]:
    value = document.get(key) if isinstance(document, dict) else None
    return value if isinstance(value, dict) else {}


def _engine(documents: Mapping[str, object]) -> str:
    manager = text_at(documents, *_MANAGER)
    if manager in _MANAGERS:
        return _MANAGERS[manager]
    named = text_at(documents, *_ENGINE_NAME)
    if named:
        return _ENGINE_NAMES.get(named.lower(), named)
    keys = [*_object(documents["spec"], "annotations"), *_object(documents, "image")]
    for beginning, engine in _ENGINE_KEYS.items():
        if any(key.startswith(beginning) for key in keys):
            return engine
    if "lockID" in _object(documents, "config"):  # libpod's alone
        return "Podman"
    return "containerd" if text_at(documents, "config", "runtime").startswith("io.containerd.") else ""


def _crio_metadata(documents: Mapping[str, object], problems: Problems) -> object:
    """The metadata that CRI-O annotates its containers with, which is JSON in JSON."""
    text = text_at(documents, *_CRIO_METADATA)
    try:
        return parse_document(memoryview(text.encode("utf-8", "surrogatepass")), "") if text else None
    except ImageError as error:
        problems.warn(_FILES["spec"], f"the annotation {_CRIO_METADATA[-1]}: {error.problem}")
        return None


def _crio_addresses(spec: object) -> list[str]:
    annotations = _object(spec, "annotations")
    found = (text_at(annotations, f"io.kubernetes.cri-o.IP.{number}") for number in itertools.count())
    return list(itertools.takewhile(bool, found))


def _created(status: object) -> str:
    """The time of creation in CRI's status, which counts nanoseconds since 1970."""
    value = status.get("created_at") if isinstance(status, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _MAX_NANOSECONDS:
        return ""
    seconds, nanoseconds = divmod(value, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


def _network(status: object) -> tuple[list[str], list[str]]:
    """The IP and the hardware addresses in ``network.status``.

    Netavark's is an object of networks (Podman 4 and later), CNI's a list of results (until then).
    """
    networks = objects(status) if isinstance(status, list) else objects(_values(status))
    addresses: list[str] = []
    hardware_addresses: list[str] = []
    for network in networks:
        addresses += [text_at(item, "address") for item in objects(network.get("ips"))]
        interfaces = network.get("interfaces")
        for interface in objects(interfaces if isinstance(interfaces, list) else _values(interfaces)):
            addresses += [text_at(item, "ipnet") for item in objects(interface.get("subnets"))]
            hardware_addresses.append(text_at(interface, "mac_address") or _container_mac(interface))
    return _unique(address.partition("/")[0] for address in addresses), _unique(hardware_addresses)


def _container_mac(interface: Mapping[str, object]) -> str:
    """The address of a CNI interface in the container; those without a sandbox are the host's."""
    return text_at(interface, "mac") if text_at(interface, "sandbox") else ""


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else []


def _unique(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in found if text))
