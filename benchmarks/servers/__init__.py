# SPDX-License-Identifier: Apache-2.0
"""The servers that are compared, each a command started as a process of its own."""
