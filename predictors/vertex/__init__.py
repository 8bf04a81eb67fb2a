# SPDX-License-Identifier: Apache-2.0
"""Vertex AI's contract for custom containers: its variables, the artifact from Cloud Storage, health and prediction."""
