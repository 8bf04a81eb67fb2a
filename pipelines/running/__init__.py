# SPDX-License-Identifier: Apache-2.0
"""Where pipelines run: on this machine, on Kubeflow Pipelines, and what starts them when something happens."""
