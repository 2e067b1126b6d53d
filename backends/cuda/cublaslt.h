// CublasLt: NVIDIA's matrix products, opened at run time.
//
//   const CublasLt& lt = GetCublasLt(driver.version());
//   if (!lt.ready()) report(lt.problem());   // names the library and where it was looked for
//
// Safe from any thread; never closed.
#ifndef TENON_BACKENDS_CUDA_CUBLASLT_H_
#define TENON_BACKENDS_CUDA_CUBLASLT_H_

#include <cublasLt.h>

#include <string>

#define TENON_CUDA_CUBLASLT_FUNCTIONS(X)   \
  X(cublasLtCreate)                        \
  X(cublasLtDestroy)                       \
  X(cublasLtGetStatusString)               \
  X(cublasLtGetVersion)                    \
  X(cublasLtMatmulDescInit_internal)       \
  X(cublasLtMatmulDescSetAttribute)        \
  X(cublasLtMatrixLayoutInit_internal)     \
  X(cublasLtMatrixLayoutSetAttribute)      \
  X(cublasLtMatmulPreferenceInit_internal) \
  X(cublasLtMatmulPreferenceSetAttribute)  \
  X(cublasLtMatmulAlgoGetHeuristic)        \
  X(cublasLtMatmul)

namespace tenon_cuda {

class CublasLt {
 public:
#define TENON_CUDA_MEMBER(name) decltype(&::name) name = nullptr;
  TENON_CUDA_CUBLASLT_FUNCTIONS(TENON_CUDA_MEMBER)
#undef TENON_CUDA_MEMBER

  explicit CublasLt(int driver_version);

  bool ready() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }

 private:
  std::string problem_;
};

// Of the process; the first call's driver decides.
const CublasLt& GetCublasLt(int driver_version);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_CUBLASLT_H_
