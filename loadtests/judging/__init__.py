# SPDX-License-Identifier: Apache-2.0
"""What a run shows about an SLO: the objectives, their confidence intervals, the verdict; pure."""
