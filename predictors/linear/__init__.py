# SPDX-License-Identifier: Apache-2.0
"""Linear models without scikit-learn: what ``linear.json`` holds, how it is made, and the proof that it is equal."""
