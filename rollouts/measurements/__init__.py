# SPDX-License-Identifier: Apache-2.0
"""What predictors counted, per version and time window."""
