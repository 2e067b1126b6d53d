// PlanSoftmax and the like: the arguments of the fused entries as what their kernels take
// (rows.cuh), and which kernel that is. Pure arithmetic.
#ifndef TENON_BACKENDS_CUDA_ROWS_PLAN_H_
#define TENON_BACKENDS_CUDA_ROWS_PLAN_H_

#include <string>

#include "backends/cuda/rows_launch.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

struct RowsPlan {
  RowLaunch launch = {};
  std::string kernel;  // "softmax_f32_warp"
  int threads = 0;     // of a group
  long long groups = 0;
};

// Throw plugin::Failure: INVALID_ARGUMENT for what contradicts itself, UNSUPPORTED for the rest.
RowsPlan PlanRows(const TenonSoftmaxArgs&);
RowsPlan PlanRows(const TenonSoftmaxBackwardArgs&);
RowsPlan PlanRows(const TenonCrossEntropyArgs&);
RowsPlan PlanRows(const TenonLayerNormArgs&);
RowsPlan PlanRows(const TenonLayerNormBackwardArgs&);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_ROWS_PLAN_H_
