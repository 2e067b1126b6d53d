// Kernels of one opcode: f16, bf16, f32 and f64.
#include "backends/cuda/prelude.cuh"
#include "backends/cuda/single.cuh"
#include "backends/cuda/single_floats.inc"
