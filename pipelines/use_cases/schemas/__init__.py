# SPDX-License-Identifier: Apache-2.0
"""What the data of each use case must be like, for pandera to check."""
