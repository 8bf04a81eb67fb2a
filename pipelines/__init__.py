# SPDX-License-Identifier: Apache-2.0
"""Pipelines: from raw data to a version that serves, on this machine, on Kubeflow Pipelines and on Vertex AI."""
