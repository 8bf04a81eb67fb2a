# SPDX-License-Identifier: Apache-2.0
"""Speed against peers, side by side in one run: the same model, the same request, one core each for server and load."""
