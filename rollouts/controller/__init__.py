# SPDX-License-Identifier: Apache-2.0
"""The process that sees to all rollouts of a cluster."""
