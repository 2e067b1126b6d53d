// matmul, gather and scatter, by kernels written by hand in the dialect of backends/codegen.
#ifndef TENON_BACKENDS_OPENCL_TYPED_ENTRIES_H_
#define TENON_BACKENDS_OPENCL_TYPED_ENTRIES_H_

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_opencl {

TenonStatus Matmul(TenonDevice, TenonStream, const TenonMatmulArgs*, TenonCall*,
                   TenonError*) noexcept;
TenonStatus Gather(TenonDevice, TenonStream, const TenonIndexArgs*, TenonCall*,
                   TenonError*) noexcept;
TenonStatus Scatter(TenonDevice, TenonStream, const TenonIndexArgs*, TenonCall*,
                    TenonError*) noexcept;

// Reads a call's own argument; all three take no workspace and are deterministic. True: it was a
// dry run, whose answer is now given. Throws Failure.
bool AnswersDryRun(TenonCall* call);

// The dtype of a complex number's two parts, which a kernel has as a vector; 0: it is none.
inline uint32_t PartOf(uint32_t dtype) {
  return dtype == TENON_C64 ? TENON_F32 : dtype == TENON_C128 ? TENON_F64 : 0;
}
inline const char* NumberType(uint32_t dtype) {
  return dtype == TENON_C64 ? "float2" : dtype == TENON_C128 ? "double2" : tenon_dtype_name(dtype);
}

extern const char kMatmulSource[], kIndexSource[];

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_TYPED_ENTRIES_H_
