# SPDX-License-Identifier: Apache-2.0
"""What those do who want a rollout: they make a ModelRollout, find it, follow it, and change its mind."""
