# SPDX-License-Identifier: Apache-2.0
"""A use case of one's own: a module that works, with its test, to be changed from there."""
