# SPDX-License-Identifier: Apache-2.0
"""From a trained model to a version that serves: packed, published, deployed, asked, and only then the champion."""
