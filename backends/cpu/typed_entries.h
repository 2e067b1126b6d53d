// The typed entries: matmul, gather, scatter.
#ifndef TENON_BACKENDS_CPU_TYPED_ENTRIES_H_
#define TENON_BACKENDS_CPU_TYPED_ENTRIES_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

TenonStatus Matmul(TenonDevice, TenonStream, const TenonMatmulArgs* args, TenonCall* call,
                   TenonError* error) noexcept;
TenonStatus Gather(TenonDevice, TenonStream, const TenonIndexArgs* args, TenonCall* call,
                   TenonError* error) noexcept;
TenonStatus Scatter(TenonDevice, TenonStream, const TenonIndexArgs* args, TenonCall* call,
                    TenonError* error) noexcept;

// Part of each: what every call has.
TenonStatus CheckCall(const TenonCall* call, TenonError* error);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_TYPED_ENTRIES_H_
