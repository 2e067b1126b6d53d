// A libcublasLt for tests: the functions that the plug-in asks for, by plain loops on host memory.
// It computes exactly what the descriptions say, so that wrong transpositions, leading dimensions
// and batches show; it refuses what the real one would: leading dimensions that are too small,
// epilogues on f64 and complex numbers.
#include "tests/cuda/fake_cublaslt.h"

// clang-format off
#include "tenon/abi/tenon_half.h"  // before CUDA's, which has a type `half`
#include <cublasLt.h>
// clang-format on

#include <algorithm>
#include <complex>
#include <cstring>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

namespace {

FakeCublasLt fake = {};

struct Operation {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  int32_t transpose[2], epilogue;
  const void* bias;
};
struct Matrix {
  cudaDataType_t type;
  uint64_t rows, columns;
  int64_t ld, batch_stride;
  int32_t batches;
};
static_assert(sizeof(Operation) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(sizeof(Matrix) <= sizeof(cublasLtMatrixLayoutOpaque_t));

Operation& operation_of(cublasLtMatmulDesc_t p) { return *reinterpret_cast<Operation*>(p); }
Matrix& matrix_of(cublasLtMatrixLayout_t p) { return *reinterpret_cast<Matrix*>(p); }

using Number = std::complex<double>;

size_t ItemOf(cudaDataType_t type) {
  switch (type) {
    case CUDA_R_16F:
    case CUDA_R_16BF:
      return 2;
    case CUDA_R_32F:
      return 4;
    case CUDA_C_64F:
      return 16;
    default:
      return 8;
  }
}

Number Read(cudaDataType_t type, const void* base, int64_t at) {
  const char* const p = static_cast<const char*>(base) + at * static_cast<int64_t>(ItemOf(type));
  float f[2];
  double d[2];
  uint16_t h;
  switch (type) {
    case CUDA_R_16F:
      std::memcpy(&h, p, 2);
      return tenon_f16_to_f32(h);
    case CUDA_R_16BF:
      std::memcpy(&h, p, 2);
      return tenon_bf16_to_f32(h);
    case CUDA_R_32F:
      std::memcpy(f, p, 4);
      return f[0];
    case CUDA_R_64F:
      std::memcpy(d, p, 8);
      return d[0];
    case CUDA_C_32F:
      std::memcpy(f, p, 8);
      return {f[0], f[1]};
    default:
      std::memcpy(d, p, 16);
      return {d[0], d[1]};
  }
}

void Write(cudaDataType_t type, void* base, int64_t at, Number x) {
  char* const p = static_cast<char*>(base) + at * static_cast<int64_t>(ItemOf(type));
  const float f[2] = {static_cast<float>(x.real()), static_cast<float>(x.imag())};
  const double d[2] = {x.real(), x.imag()};
  const uint16_t half = type == CUDA_R_16F ? tenon_f32_to_f16(f[0]) : tenon_f32_to_bf16(f[0]);
  const void* const from = type == CUDA_R_16F || type == CUDA_R_16BF
                               ? static_cast<const void*>(&half)
                           : type == CUDA_R_32F || type == CUDA_C_32F ? static_cast<const void*>(f)
                                                                      : static_cast<const void*>(d);
  std::memcpy(p, from, ItemOf(type));
}

bool IsSound(const Matrix& m) { return m.ld >= static_cast<int64_t>(m.rows) && m.batches > 0; }

}  // namespace

API FakeCublasLt* tenon_fake_cublaslt(void) { return &fake; }

API cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (fake.fail_create) return CUBLAS_STATUS_ALLOC_FAILED;
  *handle = reinterpret_cast<cublasLtHandle_t>(&fake);
  ++fake.live_handles;
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtDestroy(cublasLtHandle_t) {
  --fake.live_handles;
  return CUBLAS_STATUS_SUCCESS;
}
API const char* cublasLtGetStatusString(cublasStatus_t) { return "a fake status"; }
API size_t cublasLtGetVersion(void) { return 130100; }
API cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t desc, size_t,
                                                   cublasComputeType_t compute,
                                                   cudaDataType_t scale) {
  operation_of(desc) = {compute, scale, {0, 0}, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                                  cublasLtMatmulDescAttributes_t attribute,
                                                  const void* value, size_t bytes) {
  Operation& operation = operation_of(desc);
  void* to = nullptr;
  size_t room = 4;
  if (attribute == CUBLASLT_MATMUL_DESC_TRANSA) to = &operation.transpose[0];
  if (attribute == CUBLASLT_MATMUL_DESC_TRANSB) to = &operation.transpose[1];
  if (attribute == CUBLASLT_MATMUL_DESC_EPILOGUE) to = &operation.epilogue;
  if (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER) to = &operation.bias, room = 8;
  if (to == nullptr || bytes != room) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t layout, size_t,
                                                     cudaDataType type, uint64_t rows,
                                                     uint64_t columns, int64_t ld) {
  matrix_of(layout) = {type, rows, columns, ld, 0, 1};
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                    cublasLtMatrixLayoutAttribute_t attribute,
                                                    const void* value, size_t bytes) {
  Matrix& matrix = matrix_of(layout);
  void* to = nullptr;
  size_t room = 4;
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) to = &matrix.batches;
  if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) to = &matrix.batch_stride, room = 8;
  if (to == nullptr || bytes != room) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                        cublasLtMatmulPreferenceAttributes_t,
                                                        const void*, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t, int,
    cublasLtMatmulHeuristicResult_t* results, int* count) {
  ++fake.searches;
  *count = 0;
  const bool real32 = operation_of(desc).scale == CUDA_R_32F;
  if (operation_of(desc).epilogue != CUBLASLT_EPILOGUE_DEFAULT && !real32)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  for (const cublasLtMatrixLayout_t m : {a, b, c, d}) {
    if (!IsSound(matrix_of(m))) return CUBLAS_STATUS_INVALID_VALUE;
  }
  *results = {};
  results[0].workspaceSize = 4096;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}
API cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha,
                                  const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                                  cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                                  cublasLtMatrixLayout_t c_layout, void* d,
                                  cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t*,
                                  void* workspace, size_t workspace_bytes, cudaStream_t) {
  ++fake.products;
  const Operation& operation = operation_of(desc);
  fake.last_compute = operation.compute;
  const Matrix &ma = matrix_of(a_layout), &mb = matrix_of(b_layout), &mc = matrix_of(c_layout),
               &md = matrix_of(d_layout);
  if (!IsSound(ma) || !IsSound(mb) || !IsSound(mc) || !IsSound(md) || workspace_bytes < 4096)
    return CUBLAS_STATUS_INVALID_VALUE;
  std::memset(workspace, 0x5A, workspace_bytes);
  const bool ta = operation.transpose[0] == CUBLAS_OP_T, tb = operation.transpose[1] == CUBLAS_OP_T;
  const uint64_t m = ta ? ma.columns : ma.rows, k = ta ? ma.rows : ma.columns,
                 n = tb ? mb.rows : mb.columns;
  if ((tb ? mb.columns : mb.rows) != k || md.rows != m || md.columns != n ||
      ma.batches != md.batches || mb.batches != md.batches)
    return CUBLAS_STATUS_INVALID_VALUE;
  const Number x = Read(operation.scale, alpha, 0), y = Read(operation.scale, beta, 0);
  for (int64_t batch = 0; batch < md.batches; ++batch) {
    for (int64_t i = 0; i < static_cast<int64_t>(m); ++i) {
      for (int64_t j = 0; j < static_cast<int64_t>(n); ++j) {
        Number sum = 0;
        for (int64_t p = 0; p < static_cast<int64_t>(k); ++p) {
          sum += Read(ma.type, a, batch * ma.batch_stride + (ta ? i * ma.ld + p : p * ma.ld + i)) *
                 Read(mb.type, b, batch * mb.batch_stride + (tb ? p * mb.ld + j : j * mb.ld + p));
        }
        sum *= x;
        if (y != 0.0) sum += y * Read(mc.type, c, batch * mc.batch_stride + j * mc.ld + i);
        const int epilogue = operation.epilogue;
        if (epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS)
          sum += Read(md.type, operation.bias, i);
        if (epilogue == CUBLASLT_EPILOGUE_RELU || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS)
          sum = std::max(sum.real(), 0.0);
        Write(md.type, d, batch * md.batch_stride + j * md.ld + i, sum);
      }
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}
