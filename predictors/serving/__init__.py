# SPDX-License-Identifier: Apache-2.0
"""The server: settings, ports, workers, and the layer that answers inference ahead of KServe's app."""
