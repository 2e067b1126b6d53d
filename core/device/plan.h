// Plan: how one device runs one map::Kernel. Found once, then launched often.
//
// A plan is one device kernel where the device takes the whole program (always, on the CPU);
// otherwise a partition into several with temporaries; otherwise the host computes it on copies (a
// fallback: counted, warned about or forbidden by TENON_FALLBACK=silent|warn|error).
//
//   const Plan& plan = plan_for(device_state, kernel);      // hashes and compares whole: keep the
//   reference run(plan, stream, launch);
//
// Plans live as long as the process (kernels with work in flight are never evicted). Thread-safe.
#ifndef TENON_DEVICE_PLAN_H_
#define TENON_DEVICE_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tenon/abi/tenon_backend.h"
#include "tenon/device/device_state.h"
#include "tenon/device/stream.h"
#include "tenon/map/program.h"

namespace tenon {

struct Plan {
  DeviceState* device;
  TenonKernel kernel = 0;  // not 0: one launch does it all
  const char* name;        // of the operation
  map::Kernel source;      // without slopes
  struct Steps;            // plan.cc: the partition, or the host fallback
  std::shared_ptr<const Steps> steps;
};

const Plan& plan_for(DeviceState& device, const map::Kernel& kernel);

namespace detail {
void run_steps(const Plan& plan, StreamState& stream, const TenonLaunch& launch);
}

// Enqueues the kernel. launch.operands are the kernel's inputs, then its outputs; launch.scalars
// its slots.
inline void run(const Plan& plan, StreamState& stream, const TenonLaunch& launch) {
  if (__builtin_expect(plan.kernel != 0, 1)) {
    const TenonStatus status = enqueue(stream, plan.name, [&](TenonStream s, TenonError* error) {
      return plan.device->tables->core.kernel_launch(plan.device->handle, s, plan.kernel, &launch,
                                                     error);
    });
    if (__builtin_expect(status == TENON_OK, 1)) return;
  }
  detail::run_steps(plan, stream,
                    launch);  // also when the launch alone was UNSUPPORTED: then the host does it
}

// Typed entries (matmul, gather, scatter): the device's own, else the same entry of the CPU backend
// on copies in host memory (a counted fallback). `tensors` are the places inside *args that name
// device memory, the first `n_inputs` of them are only read.
void run_matmul(StreamState& stream, const TenonMatmulArgs& args);
void run_gather(StreamState& stream, const TenonIndexArgs& args);
void run_scatter(StreamState& stream, const TenonIndexArgs& args);

// Fused entries. False: the device has no such entry or does not take these arguments, and nothing
// happened; the caller composes the result from kernels.
bool run_softmax(StreamState& stream, const TenonSoftmaxArgs& args);
bool run_softmax_backward(StreamState& stream, const TenonSoftmaxBackwardArgs& args);
bool run_cross_entropy(StreamState& stream, const TenonCrossEntropyArgs& args);
bool run_layer_norm(StreamState& stream, const TenonLayerNormArgs& args);
bool run_layer_norm_backward(StreamState& stream, const TenonLayerNormBackwardArgs& args);

// Host fallbacks since start, for tools/devices and tests.
struct FallbackCount {
  std::string device, operation;
  uint64_t count;
};
std::vector<FallbackCount> fallback_counts();

// Environment TENON_MASK="simdev:matmul,simdev:erf,...": the named entries or opcodes of a backend
// are treated as absent. For tests of the ways around them.

}  // namespace tenon

#endif  // TENON_DEVICE_PLAN_H_
