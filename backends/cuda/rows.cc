#include "backends/cuda/rows.h"

#include <algorithm>

#include "backends/cuda/built_in.h"
#include "backends/cuda/call_scope.h"
#include "backends/cuda/device.h"
#include "backends/cuda/rows_plan.h"

namespace tenon_cuda {
namespace {

template <class Args>
TenonStatus Run(TenonDevice handle, TenonStream stream, const Args* given, const char* type,
                TenonCall* call, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    Args args;
    const TenonStatus status = tenon_read_struct(&args, sizeof args, given, type, error);
    if (status != TENON_OK) return status;
    const CallScope scope(call);
    RowsPlan plan = PlanRows(args);
    const CUfunction function = device.built_in().Find(plan.kernel);
    if (function == nullptr)
      throw tenon::plugin::Failure(TENON_UNSUPPORTED, "cuda: no kernel " + plan.kernel);
    if (scope.dry_run()) {
      call->workspace_bytes = 0;
      return TENON_OK;
    }
    // Groups go on to further rows, so that a grid need not cover them.
    const int64_t groups =
        std::min<int64_t>(plan.groups, int64_t{32} * std::max(device.processors(), 1));
    void* arguments[] = {&plan.launch};
    device.Launch(device.stream(stream), function, Interned(plan.kernel),
                  static_cast<unsigned>(groups), static_cast<unsigned>(plan.threads), arguments);
    return TENON_OK;
  });
}

}  // namespace

TenonStatus Softmax(TenonDevice device, TenonStream stream, const TenonSoftmaxArgs* args,
                    TenonCall* call, TenonError* error) noexcept {
  return Run(device, stream, args, "TenonSoftmaxArgs", call, error);
}

TenonStatus SoftmaxBackward(TenonDevice device, TenonStream stream,
                            const TenonSoftmaxBackwardArgs* args, TenonCall* call,
                            TenonError* error) noexcept {
  return Run(device, stream, args, "TenonSoftmaxBackwardArgs", call, error);
}

TenonStatus CrossEntropy(TenonDevice device, TenonStream stream, const TenonCrossEntropyArgs* args,
                         TenonCall* call, TenonError* error) noexcept {
  return Run(device, stream, args, "TenonCrossEntropyArgs", call, error);
}

TenonStatus LayerNorm(TenonDevice device, TenonStream stream, const TenonLayerNormArgs* args,
                      TenonCall* call, TenonError* error) noexcept {
  return Run(device, stream, args, "TenonLayerNormArgs", call, error);
}

TenonStatus LayerNormBackward(TenonDevice device, TenonStream stream,
                              const TenonLayerNormBackwardArgs* args, TenonCall* call,
                              TenonError* error) noexcept {
  return Run(device, stream, args, "TenonLayerNormBackwardArgs", call, error);
}

}  // namespace tenon_cuda
