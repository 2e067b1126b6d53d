// CallScope: what a typed entry is asked besides its arguments (TenonCall).
#ifndef TENON_BACKENDS_CUDA_CALL_SCOPE_H_
#define TENON_BACKENDS_CUDA_CALL_SCOPE_H_

#include <string>

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_cuda {

class CallScope {
 public:
  // Every entry of this backend gives the same bits every time, so that DETERMINISTIC asks nothing.
  explicit CallScope(const TenonCall* call) {
    tenon::plugin::check([&](TenonError* error) { return tenon_check_call(call, "cuda", error); });
    if (call != nullptr) call_ = *call;
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
  TenonCall call_ = {};
};

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_CALL_SCOPE_H_
