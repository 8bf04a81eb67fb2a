# SPDX-License-Identifier: Apache-2.0
"""The pipelines as Kubeflow sees them: components over the steps, the training and the scoring pipeline, their YAML."""
