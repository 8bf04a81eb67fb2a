# SPDX-License-Identifier: Apache-2.0
"""The sampled prediction log: records, and the sinks that they are written to."""
