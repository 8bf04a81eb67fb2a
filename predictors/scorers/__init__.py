# SPDX-License-Identifier: Apache-2.0
"""Scorers: pure functions from a model's input tensors to its output tensors."""
