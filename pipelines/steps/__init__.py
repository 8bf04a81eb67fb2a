# SPDX-License-Identifier: Apache-2.0
"""The steps of the pipelines, one a file: thin shells over pure functions, run by `python -m pipelines STEP`."""
