# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol (V2), pure: bytes to tensors and back."""
