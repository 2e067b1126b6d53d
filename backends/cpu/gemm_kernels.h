// Matrix products of one pair of matrices, any strides.
#ifndef TENON_BACKENDS_CPU_GEMM_KERNELS_H_
#define TENON_BACKENDS_CPU_GEMM_KERNELS_H_

#include <cstdint>

namespace tenon_cpu {

// c = relu?(alpha * a @ b + beta * c + bias), sizes [m, k] @ [k, n]; strides in elements.
struct Gemm {
  int64_t m, n, k;
  const char* a;
  const char* b;
  char* c;
  const char* bias;  // nullptr: none
  int64_t a_row, a_column, b_row, b_column, c_row, c_column, bias_row, bias_column;
  double alpha, beta;
  bool relu;
};

struct GemmFns {
  // `workspace` has workspace_bytes(m, n, k) and is aligned to 64. The result does not depend on
  // how the work is spread over threads: every element is one sum in ascending order of k, cut at
  // fixed places.
  void (*run)(const Gemm& gemm, char* workspace);
  int64_t (*workspace_bytes)(int64_t m, int64_t n, int64_t k);
};

// By the dtype of a and b. c and bias have the same, but f32 for f16 and bf16. Integers wrap and
// know no relu. False: there is none (bool; complex products are made of real ones by matmul.cc).
bool FindGemm(uint32_t dtype, GemmFns* fns);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_GEMM_KERNELS_H_
