// Kernels of one opcode: bool and integers.
#include "backends/cuda/prelude.cuh"
#include "backends/cuda/single.cuh"
#include "backends/cuda/single_integers.inc"
