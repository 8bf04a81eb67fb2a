# SPDX-License-Identifier: Apache-2.0
"""What the project's HTML reports have in common: how a page is made, its style, and how plots are drawn into it.

A report's own template and style stand beside the code that fills them.
"""
