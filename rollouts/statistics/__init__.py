# SPDX-License-Identifier: Apache-2.0
"""Always-valid bounds: they hold at every look, however often one looks."""
