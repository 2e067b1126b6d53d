// CallScope: what a typed entry is asked besides its arguments (TenonCall).
#ifndef TENON_BACKENDS_CUDA_CALL_SCOPE_H_
#define TENON_BACKENDS_CUDA_CALL_SCOPE_H_

#include <string>

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_cuda {

class CallScope {
 public:
  // Every entry of this backend gives the same bits every time, so that DETERMINISTIC asks nothing.
  explicit CallScope(const TenonCall* call) : call_(call != nullptr ? *call : TenonCall{}) {
    constexpr uint32_t kKnown = TENON_CALL_DRY_RUN | TENON_CALL_DETERMINISTIC;
    if (call == nullptr) return;
    if (call->size < sizeof *call || !tenon_struct_ok(call, sizeof *call) ||
        (call->flags & ~kKnown) != 0) {
      throw tenon::plugin::Failure(TENON_UNSUPPORTED, "cuda: a call with unknown fields or flags " +
                                                          std::to_string(call->flags));
    }
  }

  bool dry_run() const { return (call_.flags & TENON_CALL_DRY_RUN) != 0; }

  // The address of the workspace; throws INVALID_ARGUMENT where it holds less than `needed`.
  uint64_t Workspace(uint64_t needed) const {
    if (call_.workspace_bytes < needed || (needed != 0 && call_.workspace == 0)) {
      throw tenon::plugin::Failure(TENON_INVALID_ARGUMENT,
                                   "cuda: a workspace of " + std::to_string(call_.workspace_bytes) +
                                       " bytes, needed are " + std::to_string(needed) +
                                       "; ask by a dry run");
    }
    return call_.workspace + call_.workspace_offset;
  }

 private:
  const TenonCall call_;
};

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_CALL_SCOPE_H_
