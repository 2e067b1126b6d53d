// softmax, cross entropy and layer norm for the device; all is in rows.cuh, which needs the prelude
// before it.
// clang-format off
#include "backends/cuda/prelude.cuh"
#include "backends/cuda/rows.cuh"
// clang-format on
