// Kernels of one opcode: casts and copies.
#include "backends/cuda/prelude.cuh"
#include "backends/cuda/single.cuh"
#include "backends/cuda/single_casts.inc"
