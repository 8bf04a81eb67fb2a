# SPDX-License-Identifier: Apache-2.0
"""What stands below the models on a cluster: installing it, and saying what is wrong with it."""
