#include "backends/cuda/products.h"

#include <algorithm>

#include "backends/cuda/call_scope.h"
#include "backends/cuda/single.h"
#include "tenon/backends/cuda/host.h"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;

constexpr uint64_t kMostWorkspace = uint64_t{32} << 20;

struct Types {
  cudaDataType_t data, scale;
  cublasComputeType_t compute;
};

Types TypesOf(uint32_t dtype) {
  switch (dtype) {
    case TENON_F16:
      return {CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F};
    case TENON_BF16:
      return {CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F};
    case TENON_F64:
      return {CUDA_R_64F, CUDA_R_64F, CUBLAS_COMPUTE_64F};
    case TENON_C64:
      return {CUDA_C_32F, CUDA_C_32F, CUBLAS_COMPUTE_32F};
    case TENON_C128:
      return {CUDA_C_64F, CUDA_C_64F, CUBLAS_COMPUTE_64F};
    default: {
      const char* const allow = Option("ALLOW_TF32");
      const bool tf32 = allow != nullptr && allow[0] == '1';
      return {CUDA_R_32F, CUDA_R_32F, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F};
    }
  }
}

// alpha or beta as a number of the scale type.
struct Scale {
  union {
    float f32[2];
    double f64[2];
  };
  Scale(cudaDataType_t type, double value) {
    if (type == CUDA_R_32F || type == CUDA_C_32F) {
      f32[0] = static_cast<float>(value);
      f32[1] = 0;
    } else {
      f64[0] = value;
      f64[1] = 0;
    }
  }
};

uint64_t AlignmentOf(uint64_t address) {
  return std::min<uint64_t>(256, address & (~address + 1) ? address & (~address + 1) : 256);
}

CUdeviceptr At(const Place& place, CUdeviceptr workspace, int64_t elements, uint32_t item) {
  return place.address + (place.in_workspace ? workspace : 0) +
         static_cast<uint64_t>(elements * static_cast<int64_t>(item));
}

}  // namespace

// cuBLASLt counts by columns: c = a b by rows is c^T = b^T a^T by columns, so that its A is our b.
struct Products::Problem {
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t a, b, c;
  cublasLtMatmulPreferenceOpaque_t preference;
  Types types;
  Key key;

  Problem(const Products& own, const ProductPlan& plan) : types(TypesOf(plan.dtype)) {
    const CublasLt& lt = own.lt_;
    own.Check(lt.cublasLtMatmulDescInit_internal(&operation, sizeof operation, types.compute,
                                                 types.scale),
              "its description");
    Set(own, CUBLASLT_MATMUL_DESC_TRANSA,
        static_cast<int32_t>(plan.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N));
    Set(own, CUBLASLT_MATMUL_DESC_TRANSB,
        static_cast<int32_t>(plan.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N));
    const bool bias = plan.bias.address != 0;
    const int32_t epilogue = plan.relu
                                 ? (bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU)
                             : bias ? CUBLASLT_EPILOGUE_BIAS
                                    : CUBLASLT_EPILOGUE_DEFAULT;
    Set(own, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (bias) Set(own, CUBLASLT_MATMUL_DESC_BIAS_POINTER, plan.bias.address);
    Lay(own, &a, plan, plan.b, plan.n, plan.k);
    Lay(own, &b, plan, plan.a, plan.k, plan.m);
    Lay(own, &c, plan, plan.c, plan.n, plan.m);
    own.Check(lt.cublasLtMatmulPreferenceInit_internal(&preference, sizeof preference),
              "its preferences");
    Prefer(own, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
    uint64_t step = 0;  // of the loops around, which move the addresses
    for (const Axis& axis : plan.outer)
      step |= static_cast<uint64_t>(axis.a | axis.b | axis.c) * plan.item;
    const auto aligned = [&](const Place& place) {
      return static_cast<uint32_t>(AlignmentOf(place.address | step));
    };
    const uint32_t alignments[] = {aligned(plan.b.place), aligned(plan.a.place),
                                   aligned(plan.c.place)};
    Prefer(own, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments[0]);
    Prefer(own, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments[1]);
    Prefer(own, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments[2]);
    Prefer(own, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments[2]);
    if (plan.dtype == TENON_F16 || plan.dtype == TENON_BF16) {  // parts are summed in f32, too
      Prefer(own, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
             static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    }
    key = {plan.dtype,
           types.compute,
           epilogue,
           plan.m,
           plan.n,
           plan.k,
           plan.batch,
           plan.a.transposed,
           plan.a.ld,
           plan.a.batch_stride,
           plan.b.ld,
           plan.b.transposed,
           plan.b.batch_stride,
           plan.c.ld,
           plan.c.batch_stride,
           plan.beta != 0,
           alignments[0],
           alignments[1],
           alignments[2]};
  }

 private:
  template <class T>
  void Set(const Products& own, cublasLtMatmulDescAttributes_t attribute, const T& value) {
    own.Check(own.lt_.cublasLtMatmulDescSetAttribute(&operation, attribute, &value, sizeof value),
              "an attribute");
  }
  template <class T>
  void Prefer(const Products& own, cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
    own.Check(
        own.lt_.cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof value),
        "a preference");
  }
  // `rows` and `columns` of the matrix by columns, before a transposition.
  void Lay(const Products& own, cublasLtMatrixLayoutOpaque_t* layout, const ProductPlan& plan,
           const Factor& factor, int64_t rows, int64_t columns) {
    const CublasLt& lt = own.lt_;
    if (factor.transposed) std::swap(rows, columns);
    own.Check(lt.cublasLtMatrixLayoutInit_internal(layout, sizeof *layout, types.data,
                                                   static_cast<uint64_t>(rows),
                                                   static_cast<uint64_t>(columns), factor.ld),
              "a matrix");
    const auto batch = static_cast<int32_t>(plan.batch);
    own.Check(lt.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                  &batch, sizeof batch),
              "a batch");
    own.Check(
        lt.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                            &factor.batch_stride, sizeof factor.batch_stride),
        "a batch");
  }
};

Products::Products(Device& device) : device_(device), lt_(GetCublasLt(device.driver().version())) {
  if (!lt_.ready()) throw Failure(TENON_UNSUPPORTED, "cuda: no matmul: " + lt_.problem());
  Check(lt_.cublasLtCreate(&handle_), "cublasLtCreate");
}

Products::~Products() { lt_.cublasLtDestroy(handle_); }

void Products::Check(cublasStatus_t status, const char* what) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string message =
      std::string("cuda: matmul, ") + what + ": " + lt_.cublasLtGetStatusString(status);
  switch (status) {
    case CUBLAS_STATUS_ALLOC_FAILED:
      throw Failure(TENON_OUT_OF_MEMORY, message);
    case CUBLAS_STATUS_NOT_SUPPORTED:
    case CUBLAS_STATUS_ARCH_MISMATCH:
      throw Failure(TENON_UNSUPPORTED, message);
    default:
      throw Failure(TENON_INTERNAL, message);
  }
}

cublasLtMatmulHeuristicResult_t Products::Algorithm(const Problem& given) {
  const std::lock_guard lock(mutex_);
  const auto found = algorithms_.find(given.key);
  if (found != algorithms_.end()) return found->second;
  auto& problem = const_cast<Problem&>(given);  // cuBLASLt takes what it reads by plain pointers
  cublasLtMatmulHeuristicResult_t result = {};
  int count = 0;
  Check(lt_.cublasLtMatmulAlgoGetHeuristic(handle_, &problem.operation, &problem.a, &problem.b,
                                           &problem.c, &problem.c, &problem.preference, 1, &result,
                                           &count),
        "the search for an algorithm");
  if (count == 0) Check(CUBLAS_STATUS_NOT_SUPPORTED, "the search for an algorithm");
  algorithms_.emplace(given.key, result);
  return result;
}

uint64_t Products::Workspace(const ProductPlan& plan) {
  return plan.workspace + Algorithm(Problem(*this, plan)).workspaceSize;
}

void Products::Run(Stream& stream, const ProductPlan& plan, CUdeviceptr workspace) {
  Problem problem(*this, plan);
  const cublasLtMatmulHeuristicResult_t algorithm = Algorithm(problem);
  const auto copy = [&](const CopyStep& step) {
    CopyStrided(device_, stream, plan.item, step.rank, step.sizes,
                {At(step.to, workspace, 0, 1), step.to_strides},
                {At(step.from, workspace, 0, 1), step.from_strides});
  };
  for (const CopyStep& step : plan.copies_before) copy(step);

  static const std::string& name = Interned("matmul (cuBLASLt)");
  const Scale alpha(problem.types.scale, plan.alpha), beta(problem.types.scale, plan.beta);
  int64_t times = 1;
  for (const Axis& axis : plan.outer) times *= axis.size;
  for (int64_t i = 0; i < times; ++i) {
    int64_t a = 0, b = 0, c = 0, rest = i;
    for (size_t d = plan.outer.size(); d-- > 0; rest /= plan.outer[d].size) {
      const int64_t position = rest % plan.outer[d].size;
      a += position * plan.outer[d].a;
      b += position * plan.outer[d].b;
      c += position * plan.outer[d].c;
    }
    const auto pointer = [&](const Place& place, int64_t elements) {
      return reinterpret_cast<void*>(At(place, workspace, elements, plan.item));
    };
    void* const result = pointer(plan.c.place, c);
    const cublasStatus_t status = lt_.cublasLtMatmul(
        handle_, &problem.operation, &alpha, pointer(plan.b.place, b), &problem.a,
        pointer(plan.a.place, a), &problem.b, &beta, result, &problem.c, result, &problem.c,
        &algorithm.algo, reinterpret_cast<void*>(workspace + plan.workspace),
        algorithm.workspaceSize, reinterpret_cast<cudaStream_t>(stream.handle));
    if (status != CUBLAS_STATUS_SUCCESS) {
      // Perhaps because of a kernel that failed before: the driver says so more clearly.
      const CUresult state = device_.driver().cuStreamQuery(stream.handle);
      if (state != CUDA_ERROR_NOT_READY) device_.Check(state, name.c_str(), &stream);
      Check(status, "the call");
    }
  }
  stream.last_kernel = &name;
  for (const CopyStep& step : plan.copies_after) copy(step);
}

TenonStatus Matmul(TenonDevice handle, TenonStream stream, const TenonMatmulArgs* given,
                   TenonCall* call, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    TenonMatmulArgs args;
    const TenonStatus status =
        tenon_read_struct(&args, sizeof args, given, "TenonMatmulArgs", error);
    if (status != TENON_OK) return status;
    CheckMatmul(args);
    const CallScope scope(call);
    const ProductPlan plan = PlanProduct(args);
    Products& products = device.products();
    const uint64_t needed = products.Workspace(plan);
    if (scope.dry_run()) {
      call->workspace_bytes = needed;
      return TENON_OK;
    }
    products.Run(device.stream(stream), plan, scope.Workspace(needed));
    return TENON_OK;
  });
}

}  // namespace tenon_cuda
