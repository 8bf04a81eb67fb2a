# SPDX-License-Identifier: Apache-2.0
# The peer: KServe's own server for scikit-learn, whose source is beside this file when it is built, on KServe's
# published packages.
FROM python:3.13-slim
RUN python -m venv /opt/stock && /opt/stock/bin/pip install --quiet \
    kserve==0.21.0 kserve-storage==0.21.0 scikit-learn==1.9.1 joblib==1.6.0 pandas==2.3.3
COPY sklearnserver /opt/stock/server/sklearnserver
ENV PYTHONPATH=/opt/stock/server
USER 65532:65532
ENTRYPOINT ["/opt/stock/bin/python", "-m", "sklearnserver"]
