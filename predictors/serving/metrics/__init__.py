# SPDX-License-Identifier: Apache-2.0
"""What is counted: shared counters, and what they tell as metrics and statistics."""
