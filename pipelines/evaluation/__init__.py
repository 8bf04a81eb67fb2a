# SPDX-License-Identifier: Apache-2.0
"""What a trained model is worth: its evaluation with intervals, its comparison with the champion, the decision."""
