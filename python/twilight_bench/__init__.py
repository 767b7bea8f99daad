# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What scripts/twilight-bench is made of: the compiled pipelines raced against their peers, and tuned.

Built over twilight_gpu: its folder of artifacts, runtime, inputs, checks and timer. As there, the machine that compiles
needs no GPU, and the one that runs no compiler.
"""

import twilight_gpu  # noqa: F401: puts the oracle and the numeric tests on the path
