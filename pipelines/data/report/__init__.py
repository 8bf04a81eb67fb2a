# SPDX-License-Identifier: Apache-2.0
"""The page that shows what was checked of a run's data."""
