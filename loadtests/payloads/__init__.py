# SPDX-License-Identifier: Apache-2.0
"""V2 inference requests: real data to draw them from, and their bytes on the wire, made before a run."""
