"""What the property tests draw: float32 arrays of one shape, so nothing recompiles."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

quick = settings(max_examples=50, deadline=None)


def floats(shape, low, high):
    elements = st.floats(low, high, width=32, allow_subnormal=False)
    return arrays(np.float32, shape, elements=elements)
