# SPDX-License-Identifier: Apache-2.0
"""What is read from the cluster for one rollout, and what is changed there."""
