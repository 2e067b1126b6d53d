// PlanIndexing: the arguments of gather and scatter as what their kernels take. Pure arithmetic.
#ifndef TENON_BACKENDS_CUDA_INDEXING_PLAN_H_
#define TENON_BACKENDS_CUDA_INDEXING_PLAN_H_

#include <string>

#include "backends/cuda/indexing_launch.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

struct IndexingPlan {
  IndexLaunch index = {};
  std::string suffix;  // of the kernels' names: "4" for moves of 4 bytes, "f32" for sums

  // Scatter.
  bool adds = false;
  long long entries = 0, lanes = 0, slots = 0;
  unsigned long long sum_bytes = 0;  // of an accumulator
};

// Throws plugin::Failure: INVALID_ARGUMENT for what contradicts itself, UNSUPPORTED for the rest.
IndexingPlan PlanIndexing(const TenonIndexArgs&, bool scatter);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_INDEXING_PLAN_H_
