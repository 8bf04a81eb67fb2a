# SPDX-License-Identifier: Apache-2.0
"""ONNX: the export of a fitted model, the gate that proves it equal, and plain ONNX files of any origin."""
