# SPDX-License-Identifier: Apache-2.0
"""Answers of both versions to the same requests, compared in pairs."""
