// gather and scatter for the device; all is in indexing.cuh, which needs the prelude before it.
// clang-format off
#include "backends/cuda/prelude.cuh"
#include "backends/cuda/indexing.cuh"
// clang-format on
