# SPDX-License-Identifier: Apache-2.0
# The serving image: the model server and what it needs, nothing that trains, builds or talks to a cluster.
FROM python:3.13-slim AS build
ARG UV_VERSION=0.13.9
WORKDIR /src
RUN python -m venv /opt/portside && python -m pip install --no-cache-dir uv==${UV_VERSION}
COPY pyproject.toml uv.lock README.md LICENSE portside.py ./
# The lock decides every version, and pip checks every digest.
RUN uv export --frozen --quiet --no-dev --no-emit-project --extra serve --output-file requirements.txt \
    && /opt/portside/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY predictors predictors
COPY pipelines pipelines
RUN uv build --wheel --quiet --out-dir dist \
    && /opt/portside/bin/pip install --no-cache-dir --no-deps dist/*.whl \
    && /opt/portside/bin/python -m compileall -q /opt/portside/lib

FROM python:3.13-slim
COPY --from=build /opt/portside /opt/portside
ENV PATH=/opt/portside/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["python", "-m", "predictors"]
CMD ["--model_dir=/mnt/models"]
