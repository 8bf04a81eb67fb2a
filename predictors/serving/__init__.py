# SPDX-License-Identifier: Apache-2.0
"""The server: settings, ports, workers, and between the protocols and the models the endpoint and its queue."""
