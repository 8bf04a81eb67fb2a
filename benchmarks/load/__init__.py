# SPDX-License-Identifier: Apache-2.0
"""Load generators: wrk and h2load as closed loops, and an open loop with a fixed schedule."""
