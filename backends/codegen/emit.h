// EmitKernel: a map or reduce program as the source of a device kernel, in the C that CUDA C++ and
// OpenCL C share (see prelude.h).
//
//   const KernelInfo info = Describe(desc);                     // desc passed tenon_check_kernel
//   const LaunchPlan plan = PlanLaunch(info, target, launch);   // launch_plan.h
//   std::string text = EmitKernel(desc, "relu_flat4", plan.variant, target);
//
// The kernel takes a pointer per operand (inputs, then outputs), for kPart and kMerge a pointer to
// the scratch buffer, and then the launch: by value, or a pointer to it (Variant::in_memory).
//
// Pure; the same arguments give the same text.
#ifndef TENON_BACKENDS_CODEGEN_EMIT_H_
#define TENON_BACKENDS_CODEGEN_EMIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/backends/codegen/variant.h"

namespace tenon_codegen {

// What a backend keeps of a description to plan launches.
struct KernelInfo {
  std::vector<uint32_t> operand_dtypes;  // inputs, then outputs; u8 for an input that is never read
  uint32_t n_inputs = 0, n_scalars = 0, n_reducers = 0;
  bool reduces = false;
  bool uses_index = false;  // only then a launch's index_* are filled
  bool uses_f64 = false;    // some value is an f64

  // At least what the accumulators of one output take in the scratch buffer.
  uint64_t state_bytes() const { return 24 * uint64_t{n_reducers}; }
};

KernelInfo Describe(const TenonKernelDesc& desc);

std::string EmitKernel(const TenonKernelDesc& desc, const std::string& name, const Variant& variant,
                       const Target& target);

// The C type in which a kernel holds values of this dtype.
const char* TypeName(uint32_t dtype);

// "map_0123456789abcdef": the same for the same program in every run, for files, profilers and
// messages.
std::string NameOf(const TenonKernelDesc& desc);

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_EMIT_H_
