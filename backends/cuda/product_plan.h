// PlanProduct: a matmul of the ABI, with any strides, as products that a BLAS takes: unit stride
// along one axis of each matrix, one batch axis, a bias that is a row. Pure arithmetic on layouts.
//
//   ProductPlan plan = PlanProduct(args);     // args passed CheckMatmul
//   plan.copies_before -> products (one, or one per position of plan.outer) -> plan.copies_after
//
// In the order of what it tries: an operand that no stride of a BLAS describes is copied into the
// workspace; a result whose columns are dense is computed as its transpose; batch axes that lie
// densely behind the rows become rows (a batch times one matrix is one product); the last batch
// axis left is the BLAS's own, the others are loops.
#ifndef TENON_BACKENDS_CUDA_PRODUCT_PLAN_H_
#define TENON_BACKENDS_CUDA_PRODUCT_PLAN_H_

#include <cstdint>
#include <vector>

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

// A place in a buffer that the caller gave, or in the workspace.
struct Place {
  uint64_t address = 0;  // of the element 0, or bytes from the workspace's start
  bool in_workspace = false;
};

// Row-major: element (i, j) at i * ld + j; transposed: at j * ld + i.
struct Factor {
  Place place;
  bool transposed = false;
  int64_t ld = 0, batch_stride = 0;  // elements
};

struct Axis {
  int64_t size, a, b, c, bias;  // strides in elements
};

// sizes[k] elements with strides `to` and `from`.
struct CopyStep {
  Place to, from;
  uint32_t rank;
  int64_t sizes[TENON_ABI_MAX_RANK], to_strides[TENON_ABI_MAX_RANK],
      from_strides[TENON_ABI_MAX_RANK];
};

struct ProductPlan {
  uint32_t dtype = 0, item = 0;
  int64_t m = 0, n = 0, k = 0, batch = 1;
  Factor a, b, c;  // c is row-major
  Place bias;      // a row of n elements, for every row of c; address 0: none
  double alpha = 1, beta = 0;
  bool relu = false;
  std::vector<Axis> outer;  // loops around the product
  std::vector<CopyStep> copies_before, copies_after;
  uint64_t workspace = 0;  // bytes, for the copies
};

// Throws plugin::Failure: INVALID_ARGUMENT for what contradicts itself, UNSUPPORTED for the rest.
void CheckMatmul(const TenonMatmulArgs&);
ProductPlan PlanProduct(const TenonMatmulArgs&);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_PRODUCT_PLAN_H_
