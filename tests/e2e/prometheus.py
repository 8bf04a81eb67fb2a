# SPDX-License-Identifier: Apache-2.0
"""Prometheus for clusters that pull no images: compiled from its Go module, with discovery in Kubernetes alone."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests/components/monitoring"

_MODULE = "github.com/prometheus/prometheus"
#: The module's version that an image's version is.
_MODULE_VERSIONS = {"v3.5.0": "v0.305.0"}
#: Of the many discoveries that Prometheus has, each with its cloud's library.
_PLUGINS = f'package plugins\n\nimport _ "{_MODULE}/discovery/kubernetes"\n'
_DOCKERFILE = """\
FROM scratch
COPY prometheus /bin/prometheus
USER 65534
ENTRYPOINT ["/bin/prometheus"]
"""
_BUILD_SECONDS = 1800


def prometheus_image(kit: str) -> None:
    """Give the cluster kit's node the image that the manifests name.

    Args:
        kit: The cluster kit's script.
    """
    name = image_name()
    folder = _compiled(name.rsplit(":", 1)[1])
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    _run(str(Path(kit).resolve()), "build-image", str(folder), name)


def promtool() -> str:
    """Return the promtool that understands the manifests' configuration.

    With the cluster kit it is compiled beside Prometheus, since Debian's knows no discovery in Kubernetes.
    """
    if os.environ.get("CLUSTER_KIT"):
        return str(_compiled(image_name().rsplit(":", 1)[1]) / "promtool")
    found = shutil.which("promtool")
    assert found is not None, "promtool is not on PATH; it comes with Prometheus"
    return found


def image_name() -> str:
    """Return the image that the manifests run, such as ``prom/prometheus:v3.5.0``."""
    deployment = yaml.safe_load((MONITORING / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def _compiled(version: str) -> Path:
    """Return a folder with ``prometheus`` and ``promtool``, compiled unless an earlier run did so."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "portside" / f"prometheus-{version}"
    if (folder / "prometheus").exists() and (folder / "promtool").exists():
        return folder
    told = _run("go", "mod", "download", "-json", f"{_MODULE}@{_MODULE_VERSIONS[version]}")
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    # Go's own copies are read-only.
    shutil.copytree(json.loads(told)["Dir"], source, copy_function=shutil.copyfile)
    for path in (source / "plugins").iterdir():
        path.unlink()
    (source / "plugins" / "plugins.go").write_text(_PLUGINS)
    words = ("build", "-trimpath", "-ldflags", "-s -w", "-o", f"{folder}{os.sep}", "./cmd/prometheus", "./cmd/promtool")
    _run("go", *words, cwd=source)
    shutil.rmtree(source)
    return folder


def _run(*words: str, cwd: Path | None = None) -> str:
    environ = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=_BUILD_SECONDS, cwd=cwd, env=environ, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
    return done.stdout
