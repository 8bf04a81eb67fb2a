# SPDX-License-Identifier: Apache-2.0
"""The data of a pipeline: where they are read from, what type their columns have, and what is checked of them."""
