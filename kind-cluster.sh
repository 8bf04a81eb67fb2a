#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A cluster on this machine with the platform on it: what `make cluster` does. Done again, it makes only what is missing.
# Its arguments go to `portside install`.
set -euo pipefail
cd "$(dirname "$0")"

name=portside
missing=()
for tool in docker kind kubectl; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "make cluster needs ${missing[*]} on PATH; where there is a cluster already, use make install" >&2
  exit 2
fi
docker info >/dev/null 2>&1 || { echo "docker is there, but its engine does not answer: start it first" >&2; exit 2; }

# To the end of the list: a pipe closed early would look like a failure of kind.
if kind get clusters 2>/dev/null | grep -x "$name" >/dev/null; then
  echo "kind cluster $name is there already"
  kind export kubeconfig --name "$name"
else
  kind create cluster --config kind-config.yaml --wait 120s
fi

# Each image under the name that its kind overlay has, so that the name stands in one place.
load() { # load OVERLAYS [BUILD OPTIONS]
  local image
  image=$(kubectl kustomize "$1/kind" | sed -n 's/^ *image: *//p')
  docker build --tag "$image" "${@:2}" .
  kind load docker-image "$image" --name "$name"
}
load manifests/runtimes/overlays
load manifests/controllers/rollouts/overlays --target rollouts

install() { "${PORTSIDE:-.venv/bin/portside}" install --context "kind-$name" --place kind "$@"; }
# The services load their artifacts from the object store, which comes first.
install --no-services "$@"
make --no-print-directory models
install --skip-controllers "$@"
