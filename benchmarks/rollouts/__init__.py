# SPDX-License-Identifier: Apache-2.0
"""How often a rollout reverts a version that is as good as the other, and how soon it finds one that is not."""
