// Products: matmul through cuBLASLt.
//
// f16 and bf16 accumulate in f32; f32 is multiplied in f32 unless TENON_ALLOW_TF32=1 allows tf32.
// Which algorithm cuBLASLt advises for a problem is asked once and kept.
#ifndef TENON_BACKENDS_CUDA_PRODUCTS_H_
#define TENON_BACKENDS_CUDA_PRODUCTS_H_

#include <map>
#include <mutex>
#include <vector>

#include "backends/cuda/cublaslt.h"
#include "backends/cuda/device.h"
#include "backends/cuda/product_plan.h"

namespace tenon_cuda {

class Products {
 public:
  explicit Products(Device& device);  // throws UNSUPPORTED where there is no cuBLASLt
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;
  ~Products();

  // Bytes of workspace that Run needs for this plan.
  uint64_t Workspace(const ProductPlan&);
  // `workspace`: 256-byte aligned, of Workspace(plan) bytes.
  void Run(Stream&, const ProductPlan&, CUdeviceptr workspace);

 private:
  struct Problem;  // the plan in cuBLASLt's terms
  using Key = std::vector<int64_t>;
  cublasLtMatmulHeuristicResult_t Algorithm(const Problem&);
  void Check(cublasStatus_t, const char* what) const;

  Device& device_;
  const CublasLt& lt_;
  cublasLtHandle_t handle_ = nullptr;
  std::mutex mutex_;
  std::map<Key, cublasLtMatmulHeuristicResult_t> algorithms_;  // under mutex_
};

TenonStatus Matmul(TenonDevice, TenonStream, const TenonMatmulArgs*, TenonCall*,
                   TenonError*) noexcept;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_PRODUCTS_H_
