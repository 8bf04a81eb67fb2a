# SPDX-License-Identifier: Apache-2.0
"""Batch scoring: the champion's answers for a file of rows, the same bits that its server gives, and never twice."""
