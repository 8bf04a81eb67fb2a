# SPDX-License-Identifier: Apache-2.0
"""The models on a cluster: deploying one, saying how it fares and why not, taking it away."""
