// gather and scatter (indexing.cuh). Scatter gives the same bits every time.
#ifndef TENON_BACKENDS_CUDA_INDEXING_H_
#define TENON_BACKENDS_CUDA_INDEXING_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

TenonStatus Gather(TenonDevice, TenonStream, const TenonIndexArgs*, TenonCall*,
                   TenonError*) noexcept;
TenonStatus Scatter(TenonDevice, TenonStream, const TenonIndexArgs*, TenonCall*,
                    TenonError*) noexcept;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_INDEXING_H_
