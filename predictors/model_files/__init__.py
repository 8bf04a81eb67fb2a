# SPDX-License-Identifier: Apache-2.0
"""Fitted scikit-learn objects as files: written reproducibly, and read without trusting what they say of themselves."""
