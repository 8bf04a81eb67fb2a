# SPDX-License-Identifier: Apache-2.0
"""What the manifests call the objects that every service stands on."""

from typing import Final

#: The namespace of the Gateway and of what else the platform runs.
SYSTEM_NAMESPACE: Final = "portside-system"
#: The Gateway, and its class.
GATEWAY: Final = "portside"
#: The ClusterServingRuntime.
RUNTIME: Final = "portside"
