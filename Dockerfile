# SPDX-License-Identifier: Apache-2.0
# Four images: the serving image, which is the last and so the one that is built when none is named, that of the load
# tests (--target loadtest), that of the pipelines (--target pipeline) and the controller's (--target rollouts).
FROM python:3.13-slim AS lock
ARG UV_VERSION=0.13.9
WORKDIR /src
RUN python -m venv --without-pip /opt/portside && python -m pip install --quiet --root-user-action=ignore uv==${UV_VERSION}
ENV PIP_PYTHON=/opt/portside/bin/python PIP_NO_CACHE_DIR=1
# The lock decides every version, and pip checks every digest.
COPY pyproject.toml uv.lock ./

FROM lock AS loadtest-build
# Reports go to buckets; requests are drawn from the data inside the packages of the group "examples".
RUN uv export --frozen --quiet --no-default-groups --no-emit-project --extra loadtests --extra s3 --extra gcs --group examples \
        --output-file requirements.txt \
    && python -m pip install --quiet --require-hashes --requirement requirements.txt
COPY README.md LICENSE portside.py ./
# The command line's root asks predictors for their errors; what serves stays away.
COPY predictors/__init__.py predictors/errors.py predictors/
COPY loadtests loadtests
COPY reports reports
RUN python -m pip install --quiet --no-deps .

FROM python:3.13-slim AS loadtest
COPY --from=loadtest-build /opt/portside /opt/portside
# The one place that may be written to, where the root filesystem is read-only.
ENV PATH=/opt/portside/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
USER 65532:65532
ENTRYPOINT ["portside", "loadtest"]

FROM lock AS pipeline-build
# All that a step may need wherever it runs: buckets of both kinds, a cluster, Vertex AI; the use cases' own data come
# with the group "examples". No server: a version is served by the serving image.
RUN uv export --frozen --quiet --no-default-groups --no-emit-project --extra pipelines --extra gcs --extra vertex \
        --group examples --output-file requirements.txt \
    && python -m pip install --quiet --require-hashes --requirement requirements.txt \
    && find /opt/portside/lib -type d -name tests -prune -exec rm -r {} +
COPY README.md LICENSE portside.py ./
COPY predictors predictors
COPY cluster cluster
COPY rollouts rollouts
COPY pipelines pipelines
COPY reports reports
RUN python -m pip install --quiet --no-deps .

FROM python:3.13-slim AS pipeline
COPY --from=pipeline-build /opt/portside /opt/portside
# The commit that it is built from, for the lineage: --build-arg COMMIT=$(git rev-parse HEAD).
ARG COMMIT=""
# The one place that may be written to, where the root filesystem is read-only.
ENV PATH=/opt/portside/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    ORT_DISABLE_TELEMETRY=1 PORTSIDE_COMMIT=$COMMIT
USER 65532:65532
# Kubeflow's components bring their own command, `python -m pipelines STEP`.
ENTRYPOINT ["portside"]

FROM lock AS rollouts-build
RUN uv export --frozen --quiet --no-default-groups --no-emit-project --extra rollouts --output-file requirements.txt \
    && python -m pip install --quiet --require-hashes --requirement requirements.txt
COPY README.md LICENSE portside.py ./
# The command line's root asks predictors for their errors; what serves stays away.
COPY predictors/__init__.py predictors/errors.py predictors/
COPY cluster cluster
COPY rollouts rollouts
RUN python -m pip install --quiet --no-deps .

FROM python:3.13-slim AS rollouts
COPY --from=rollouts-build /opt/portside /opt/portside
# The one place that may be written to, where the root filesystem is read-only.
ENV PATH=/opt/portside/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "rollouts"]

FROM lock AS build
RUN uv export --frozen --quiet --no-default-groups --no-emit-project --extra serve --output-file requirements.txt \
    && python -m pip install --quiet --require-hashes --requirement requirements.txt \
    && find /opt/portside/lib -type d -name tests -prune -exec rm -r {} +
COPY README.md LICENSE portside.py ./
COPY predictors predictors
RUN python -m pip install --quiet --no-deps .

# The serving image: the model server and what it needs, nothing that trains, builds or talks to a cluster.
FROM python:3.13-slim
COPY --from=build /opt/portside /opt/portside
# ONNX Runtime would send the names and hashes of models to its makers, and keep an identifier on the disk.
ENV PATH=/opt/portside/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["python", "-m", "predictors"]
CMD ["--model_dir=/mnt/models"]
