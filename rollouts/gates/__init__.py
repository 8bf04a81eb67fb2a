# SPDX-License-Identifier: Apache-2.0
"""What must hold, each judged on the evidence of one step."""
