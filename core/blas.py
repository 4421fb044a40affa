"""NumPy's products in one thread, unless the user said how many. Import this before NumPy.

Vectors are few at a time, so that threads gain nothing; and those of OpenBLAS wait for more work by spinning, on cores
that decoding, models and other searches want. Torch and ONNX Runtime have threads of their own.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
