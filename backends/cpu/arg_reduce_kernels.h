// ARGMIN and ARGMAX, a part of reduce_kernels.h.
#ifndef TENON_BACKENDS_CPU_ARG_REDUCE_KERNELS_H_
#define TENON_BACKENDS_CPU_ARG_REDUCE_KERNELS_H_

#include "backends/cpu/reduce_kernels.h"

namespace tenon_cpu {

// For values of dtype fns->load.
bool FindArgReducer(uint32_t kind, ReduceFns* fns);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_ARG_REDUCE_KERNELS_H_
