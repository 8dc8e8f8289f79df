#!/usr/bin/env python3
"""Measures the peak of resident memory of `tasks`, `discover` and the operator while the cloud answers with as much as they read.

  hack/control-plane/run.sh -- hack/answer-memory.py [BINARY]

Without a control plane the operator is left out. The cloud is a server of this script on loopback, which checks no signature.
docs/benchmarks.md has the figures.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20
REGIONS, PROJECTS = 4, 16
ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/debug/cce-backup-watch")
SECRETS = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}


def many(entry, size):
    """A list of so many of these entries as fit; # in one is a number."""
    entries, length = [], 40
    while length < size - len(entry) - 10:
        entries.append(entry.replace("#", f"{len(entries):012}"))
        length += len(entries[-1]) + 1
    return ('{"kind":"List","items":[' + ",".join(entries) + "]}").encode()


TASK = (
    '{"kind":"SnapshotTask","apiVersion":"v3.1","metadata":{"uid":"87d326f9-46b0-486e-a4ba-#","creationTimestamp":'
    '"2023-11-25 17:03:46.739012 +0800 CST","updateTimestamp":"2023-11-25 17:03:46.739012 +0800 CST"},"spec":{"items":[]},'
    '"status":{"phase":"Success","progress":"100","completionTime":"2023-11-25 17:03:46.739027 +0800 CST"}}'
)
CLUSTER = (
    '{"kind":"Cluster","metadata":{"name":"c-#","uid":"11111111-2222-3333-4444-#","annotations":{"a":"'
    + "x" * (MIB - 1000)
    + '"}},"spec":{"version":"v1.33"},"status":{"phase":"Available"}}'
)
SHAPES = {
    "an empty list": b'{"kind":"List","items":[]}',
    "tasks as the cloud lists them": many(TASK, MIB),
    "tasks with nothing but an id": many('{"metadata":{"uid":"#"}}', MIB),
    "objects with an empty key": many('{"":0}', MIB),
}
LISTS = {
    "an empty list": SHAPES["an empty list"],
    "clusters of a megabyte": many(CLUSTER, 64 * MIB),
    "objects with an empty key": many('{"":0}', 64 * MIB),
}


class Cloud(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the same body."""

    protocol_version = "HTTP/1.1"
    body, asked = b"", set()

    def do_GET(self):  # noqa: N802, the name is the library's
        self.send_response(200)
        self.send_header("Content-Length", str(len(Cloud.body)))
        self.end_headers()
        try:
            self.wfile.write(Cloud.body)
            Cloud.asked.add(self.path)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def peak(process):
    """The peak of a running process in MiB; nothing once it has ended."""
    try:
        for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def run(arguments, url):
    """Runs a command to its end, and returns its peak."""
    place = ["--region", "r0", f"--region-endpoint=r0={url}", "--project-id", "0" * 32]
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [BINARY, *arguments, *place], stdout=out, stderr=out, env={**os.environ, **SECRETS}
        )
        # The first figures may be those of this script, before the command has taken its place; the last one counts.
        most = 0.0
        while process.poll() is None:
            most = peak(process) or most
            time.sleep(0.0005)
    return most


def kubectl(*arguments, **options):
    return subprocess.run(["kubectl", *arguments], check=True, capture_output=True, text=True, **options)


def operator(url):
    """Polls 64 clusters in 4 regions at once, and returns the peak after the first answers."""
    endpoints = [f"--region-endpoint=r{region}={url}" for region in range(REGIONS)]
    Cloud.asked = set()
    process = subprocess.Popen(
        [BINARY, "controller", "--listen=127.0.0.1:0", *endpoints],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begun = time.monotonic()
    while len(Cloud.asked) < REGIONS * PROJECTS and time.monotonic() < begun + 120:
        time.sleep(0.1)
    # The last answers are decoded, and statuses are written.
    time.sleep(5)
    most = peak(process)
    asked = len(Cloud.asked)
    process.terminate()
    process.wait()
    return most, asked


def watches():
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
        "stringData": {"accessKey": "AK", "secretKey": "SK"},
    }
    items = [secret]
    for region in range(REGIONS):
        for number in range(PROJECTS):
            spec = {
                "region": f"r{region}", "projectID": f"{region * PROJECTS + number:032x}",
                "clusterID": f"{region:08x}-0000-0000-0000-{number:012x}", "interval": "30s",
                "credentials": {"secretRef": {"name": "key"}},
            }
            items.append({
                "apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatch",
                "metadata": {"name": f"w-{region}-{number}"}, "spec": spec,
            })
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    cluster = ["--cluster-id", "11111111-2222-3333-4444-555555555555"]
    print("| command | answer | peak of resident memory, MiB |\n|---|---|---:|")
    for shape, Cloud.body in SHAPES.items():
        print(f"| `tasks` | {len(Cloud.body) / MIB:.1f} MiB, {shape} | {run(['tasks', *cluster], url):.1f} |", flush=True)
    for shape, Cloud.body in LISTS.items():
        arguments = ["discover", "--cluster-type=Standard", "--output=yaml", "--secret-name=key"]
        print(f"| `discover` | {len(Cloud.body) / MIB:.1f} MiB, {shape} | {run(arguments, url):.1f} |", flush=True)
    if "KUBECONFIG" not in os.environ:
        return
    kubectl("apply", "--server-side", "-f", str(ROOT / "crds/clusterbackupwatches.yaml"))
    kubectl("wait", "--for=condition=Established", "crd/clusterbackupwatches.cce.backupwatch.io")
    for shape, Cloud.body in SHAPES.items():
        kubectl("apply", "-f", "-", input=watches())
        most, asked = operator(url)
        kubectl("delete", "clusterbackupwatches", "--all")
        what = f"{len(Cloud.body) / MIB:.1f} MiB each, {shape}"
        print(f"| operator, {asked} watches | {what} | {most:.1f} |", flush=True)


main()
