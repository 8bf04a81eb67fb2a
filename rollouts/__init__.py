# SPDX-License-Identifier: Apache-2.0
"""The progressive rollout of an InferenceService: pure decisions, one thin layer of actions, kopf around."""
