"""What tests/deploy/kubernetes asks of manifests. Documents are YAML; `-` is standard input.

strict FILE...          each document against the API's schemas of Kubernetes 1.32, in which nothing is
                        open, and each pod against the restricted standard
same FILE FILE          both have the same objects, but for what Helm writes of itself
options SCHEMA FILE     the chart's schema knows the options that `gradd --check-config` printed
paths FILE              the paths of the probes
hook FILE HOST PORT     the words that the chart's test says to gradd, where the Service is there
claims FILE             the claims of its first pods
play FILE IMAGE PORT    what `podman kube play` takes of it, on a port of this machine
"""

import base64
import json
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

API = "1.32"
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

# The Prometheus Operator's own schema is a megabyte; of a ServiceMonitor this much may be said here.


def only(properties, *required):
    """An object that has nothing but these."""
    kind = {"type": "object", "additionalProperties": False, "properties": properties}
    return kind | {"required": list(required)}


def list_of(items):
    return {"type": "array", "items": items}


TEXT = {"type": "string"}
SELECTOR = only(
    {
        "matchLabels": {"type": "object", "additionalProperties": TEXT},
        "matchExpressions": list_of(
            only(
                {
                    "key": TEXT,
                    "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": list_of(TEXT),
                },
                "key",
                "operator",
            )
        ),
    }
)
KEY = only({"name": TEXT, "key": TEXT}, "key")
ENDPOINT = only(
    {
        "port": TEXT,
        "path": TEXT,
        "interval": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
        "scheme": {"enum": ["http", "https"]},
        "tlsConfig": only(
            {
                "serverName": TEXT,
                "insecureSkipVerify": {"type": "boolean"},
                "ca": only({"secret": KEY, "configMap": KEY}),
            }
        ),
        "authorization": only({"type": TEXT, "credentials": KEY}),
    }
)
SERVICE_MONITOR = only(
    {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "ServiceMonitor"},
        "metadata": {"type": "object"},
        "spec": only(
            {"endpoints": list_of(ENDPOINT) | {"minItems": 1}, "selector": SELECTOR},
            "endpoints",
            "selector",
        ),
    },
    "apiVersion",
    "kind",
    "metadata",
    "spec",
)


def load(name):
    with sys.stdin if name == "-" else open(name, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def pod_of(document):
    """The spec of the pod that an object is or makes; None: it makes none."""
    spec = document.get("spec", {})
    return spec if document["kind"] == "Pod" else spec.get("template", {}).get("spec")


def breaches(pod):
    """What the restricted standard, and gradd's own, find wrong in a pod."""
    of_pod = pod.get("securityContext", {})
    owns = [container.get("securityContext", {}) for container in pod["containers"]]
    limits = [container.get("resources", {}).get("limits", {}) for container in pod["containers"]]
    asked = {
        "a user": of_pod.get("runAsNonRoot") is True and of_pod.get("runAsUser", 0) > 0,
        "a seccomp profile": of_pod.get("seccompProfile") == {"type": "RuntimeDefault"},
        "no token of the API": pod.get("automountServiceAccountToken") is False,
        "nothing of the host": not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
        "volumes that are its own": all(
            set(volume) - {"name"} <= {"secret", "configMap", "emptyDir", "persistentVolumeClaim"}
            for volume in pod.get("volumes", [])
        ),
        "no more privileges": all(own.get("allowPrivilegeEscalation") is False for own in owns),
        "a root that is only read": all(own.get("readOnlyRootFilesystem") is True for own in owns),
        "no capability": all(own.get("capabilities") == {"drop": ["ALL"]} for own in owns),
        "a limit of memory": all("memory" in limit for limit in limits),
    }
    return ["expected " + what for what, there in asked.items() if not there]


def problems_of(document):
    found = []
    try:
        if document["kind"] == "ServiceMonitor":
            jsonschema.validate(document, SERVICE_MONITOR)
        else:
            kubernetes_validate.validate(document, API, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        found.append("/".join(map(str, error.path)) + ": " + error.message)
    pod = pod_of(document)
    return found + breaches(pod) if pod else found


def strict(*names):
    well = len(names) > 0
    for name in names:
        documents = load(name)
        well = well and len(documents) > 0
        for document in documents:
            problems = problems_of(document)
            well = well and not problems
            title = f"{name}: {document['kind']} {document['metadata']['name']}"
            print(title, "; ".join(problems) or "is well")
    return well


def bare(document):
    """An object without what Helm writes of itself."""
    labels = document["metadata"].get("labels", {})
    for key in ("helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"):
        labels.pop(key, None)
    return document


def objects(name):
    """What is installed, by kind and name. The namespace is there before a release of Helm's."""
    return {
        (document["kind"], document["metadata"]["name"]): bare(document)
        for document in load(name)
        if document["kind"] != "Namespace"
        and "helm.sh/hook" not in document["metadata"].get("annotations", {})
    }


def same(first, second):
    one, other = objects(first), objects(second)
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) != other.get(key):
            print(*key, "differs:", json.dumps(one.get(key)), json.dumps(other.get(key)), sep="\n  ")
    return len(one) > 0 and one == other


# What the chart says itself, or what has no meaning in a pod.
OF_THE_CHART = {"config", "user", "data-dir", "listen", "socket-mode", "tokens", "insecure", "grace"}
OF_THE_CHART |= {"tls-cert", "tls-key", "tls-client-ca"}


def options(schema, printed):
    with open(schema, encoding="utf-8") as file:
        known = set(json.load(file)["properties"]["options"]["propertyNames"]["enum"])
    with open(printed, encoding="utf-8") as file:
        there = set(re.findall(r"^(?:# )?([a-z-]+) +=", file.read(), re.MULTILINE))
    print("not in gradd:", known - there, "not in the chart:", there - known - OF_THE_CHART)
    return len(known) > 0 and known == there - OF_THE_CHART


def paths(name):
    for document in load(name):
        for container in (pod_of(document) or {"containers": []})["containers"]:
            for probe in PROBES:
                if probe in container:
                    print(container[probe]["httpGet"]["path"])
    return True


def hook(name, host, port):
    for document in load(name):
        if "helm.sh/hook" in document["metadata"].get("annotations", {}):
            for word in pod_of(document)["containers"][0]["args"]:
                word = re.sub(r"\$\([A-Z_]+_SERVICE_HOST\)", host, word)
                print(re.sub(r"\$\([A-Z_]+_SERVICE_PORT\)", port, word))
    return True


def stateful_sets(name):
    """Each StatefulSet, the name of the pod that it makes first, and that pod's claims by volume."""
    for document in load(name):
        if document["kind"] == "StatefulSet":
            title = document["metadata"]["name"] + "-0"
            templates = document["spec"].get("volumeClaimTemplates", [])
            claims = {claim["metadata"]["name"]: claim["spec"] for claim in templates}
            yield document, title, claims


def claims(name):
    """What fsGroup does for a volume, podman does by annotations."""
    made = []
    for document, title, of_pod in stateful_sets(name):
        security = document["spec"]["template"]["spec"]["securityContext"]
        owner = {
            "volume.podman.io/uid": str(security["runAsUser"]),
            "volume.podman.io/gid": str(security["fsGroup"]),
        }
        for volume, spec in of_pod.items():
            metadata = {"name": f"{volume}-{title}", "annotations": owner}
            kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
            made.append(kind | {"metadata": metadata, "spec": spec})
    print(yaml.safe_dump_all(made))
    return len(made) > 0


def play(name, image, port):
    """A StatefulSet becomes the pod that it makes first, NAME-0, which is as it was but for three things.
    A Secret becomes a ConfigMap: podman 4.3 mounts the data of a Secret undecoded. The probes go: podman
    would ask them by a curl inside of the image. The port is one of this machine too."""
    made = []
    for document in load(name):
        if document["kind"] == "Secret":
            texts = document.get("stringData", {})
            for key, data in document.get("data", {}).items():
                texts[key] = base64.b64decode(data).decode()
            kept = {key: document[key] for key in ("apiVersion", "metadata")}
            made.append(kept | {"kind": "ConfigMap", "data": texts})
    for document, title, of_pod in stateful_sets(name):
        template = document["spec"]["template"]
        pod = template["spec"]
        for volume in pod.get("volumes", []):
            if "secret" in volume:
                volume["configMap"] = {"name": volume.pop("secret")["secretName"]}
        for volume in of_pod:
            claim = {"claimName": f"{volume}-{title}"}
            pod.setdefault("volumes", []).append({"name": volume, "persistentVolumeClaim": claim})
        for container in pod["containers"]:
            container["image"] = image
            container["ports"][0]["hostPort"] = int(port)
            for probe in PROBES:
                container.pop(probe, None)
        metadata = template["metadata"] | {"name": title}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod})
    print(yaml.safe_dump_all(made))
    return len(made) > 0


COMMANDS = {
    "strict": strict,
    "same": same,
    "options": options,
    "paths": paths,
    "hook": hook,
    "claims": claims,
    "play": play,
}
sys.exit(0 if COMMANDS[sys.argv[1]](*sys.argv[2:]) else 1)
