// matmul: the checks, the batch, and what the real kernels (gemm_kernels.h) do not know: halves,
// which accumulate in f32 and are rounded once, and complex numbers, which are four real products
// of the parts.
#include <algorithm>
#include <cstring>

#include "backends/cpu/gemm_kernels.h"
#include "backends/cpu/host.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/typed_entries.h"
#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

constexpr int64_t kStackBytes = 160 << 10;

bool IsHalf(uint32_t dtype) { return dtype == TENON_F16 || dtype == TENON_BF16; }
bool IsComplex(uint32_t dtype) { return dtype == TENON_C64 || dtype == TENON_C128; }

TenonStatus Check(const TenonMatmulArgs& args, TenonError* error) {
  if (args.size < sizeof args)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: TenonMatmulArgs of %u bytes", args.size);
  if (!tenon_struct_ok(&args, sizeof args) || args.flags != 0 || args.reserved != 0 ||
      args.epilogue > TENON_EPILOGUE_RELU) {
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown fields or epilogue %u of a matmul",
                      args.epilogue);
  }
  const TenonTensor &a = args.a, &b = args.b, &c = args.c;
  const uint32_t rank = c.rank;
  if (rank < 2 || rank > TENON_ABI_MAX_RANK || a.rank != rank || b.rank != rank ||
      a.dtype != c.dtype || b.dtype != c.dtype) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: matmul of ranks %u, %u, %u and dtypes %s, %s, %s", a.rank, b.rank, rank,
                      tenon_dtype_name(a.dtype), tenon_dtype_name(b.dtype),
                      tenon_dtype_name(c.dtype));
  }
  const uint32_t m = rank - 2, n = rank - 1;
  bool fits = a.sizes[m] == c.sizes[m] && b.sizes[n] == c.sizes[n] && a.sizes[n] == b.sizes[m] &&
              a.sizes[n] > 0;
  for (uint32_t d = 0; d < rank; ++d)
    fits = fits && c.sizes[d] > 0 &&
           (d >= m || (a.sizes[d] == c.sizes[d] && b.sizes[d] == c.sizes[d]));
  if (fits && args.bias.buffer != 0) {
    fits = args.bias.rank == rank && args.bias.dtype == c.dtype;
    for (uint32_t d = 0; fits && d < rank; ++d) fits = args.bias.sizes[d] == c.sizes[d];
  }
  if (!fits) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: matmul of [.., %lld, %lld] and [.., %lld, %lld] into [.., %lld, %lld]",
                      (long long)a.sizes[m], (long long)a.sizes[n], (long long)b.sizes[m],
                      (long long)b.sizes[n], (long long)c.sizes[m], (long long)c.sizes[n]);
  }
  const bool real_float = tenon_dtype_is_float(c.dtype);
  if (!real_float && !IsComplex(c.dtype) && !tenon_dtype_is_integer(c.dtype))
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: no matmul of %s", tenon_dtype_name(c.dtype));
  if (args.epilogue == TENON_EPILOGUE_RELU && !real_float)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: no relu of %s", tenon_dtype_name(c.dtype));
  return TENON_OK;
}

float FromHalf(uint32_t dtype, uint16_t x) {
  return dtype == TENON_F16 ? tenon_f16_to_f32(x) : tenon_bf16_to_f32(x);
}
uint16_t ToHalf(uint32_t dtype, float x) {
  return dtype == TENON_F16 ? tenon_f32_to_f16(x) : tenon_f32_to_bf16(x);
}

// c = relu?(alpha * sum + beta * c + bias), each element rounded once.
void RoundHalves(const Gemm& g, uint32_t dtype, const float* sum) {
  const ArrayFn narrow = FindCast(TENON_F32, dtype);
  ParallelFor(g.m, std::max<int64_t>(1, (32 << 10) / g.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      uint16_t* c = reinterpret_cast<uint16_t*>(g.c) + i * g.c_row;
      const uint16_t* bias =
          g.bias == nullptr ? nullptr : reinterpret_cast<const uint16_t*>(g.bias) + i * g.bias_row;
      const float* from = sum + i * g.n;
      if (g.alpha == 1 && g.beta == 0 && bias == nullptr && !g.relu && g.c_column == 1) {
        narrow(c, from, nullptr, nullptr, g.n, 0);
        continue;
      }
      for (int64_t j = 0; j < g.n; ++j) {
        float x = static_cast<float>(g.alpha) * from[j];
        if (g.beta != 0) x += static_cast<float>(g.beta) * FromHalf(dtype, c[j * g.c_column]);
        if (bias != nullptr) x += FromHalf(dtype, bias[j * g.bias_column]);
        if (g.relu && x < 0) x = 0;
        c[j * g.c_column] = ToHalf(dtype, x);
      }
    }
  });
}

void RunHalf(Gemm g, uint32_t dtype, const GemmFns& fns, char* workspace, int64_t sum_bytes) {
  const Gemm whole = g;
  float* const sum = reinterpret_cast<float*>(workspace);
  g.c = workspace;
  g.c_row = g.n;
  g.c_column = 1;
  g.bias = nullptr;
  g.alpha = 1;
  g.beta = 0;
  g.relu = false;
  fns.run(g, workspace + sum_bytes);
  RoundHalves(whole, dtype, sum);
}

// (a + ib)(c + id): each part is two real products, the second on top of the first.
void RunComplex(Gemm g, int64_t part, const GemmFns& fns, char* workspace) {
  for (int64_t* stride : {&g.a_row, &g.a_column, &g.b_row, &g.b_column, &g.c_row, &g.c_column,
                          &g.bias_row, &g.bias_column})
    *stride *= 2;
  const Gemm base = g;
  for (int imaginary = 0; imaginary < 2; ++imaginary) {
    g.c = base.c + imaginary * part;
    g.bias = base.bias == nullptr ? nullptr : base.bias + imaginary * part;
    g.alpha = base.alpha;
    g.beta = base.beta;
    g.a = base.a;
    g.b = base.b + imaginary * part;
    fns.run(g, workspace);
    g.bias = nullptr;
    g.beta = 1;
    g.a = base.a + part;
    g.b = base.b + (1 - imaginary) * part;
    g.alpha = imaginary != 0 ? base.alpha : -base.alpha;
    fns.run(g, workspace);
  }
}

struct Batch {
  const TenonMatmulArgs& args;
  GemmFns fns;
  int64_t item, sum_bytes,
      bytes;  // of an element; of the f32 sums of a half product; of a matrix's workspace

  void RunOne(int64_t index, char* workspace) const {
    // Without a bias its description is never looked at: nobody need have filled it.
    static constexpr TenonTensor kNoBias = {};
    const TenonTensor& bias = args.bias.buffer == 0 ? kNoBias : args.bias;
    const TenonTensor* tensors[4] = {&args.a, &args.b, &args.c, &bias};
    const int last = static_cast<int>(args.c.rank) - 1;
    char* at[4];
    for (int t = 0; t < 4; ++t)
      at[t] = reinterpret_cast<char*>(tensors[t]->buffer + tensors[t]->offset);
    for (int d = last - 2; d >= 0 && index != 0; --d) {
      const int64_t position = index % args.c.sizes[d];
      index /= args.c.sizes[d];
      for (int t = 0; t < 4; ++t) at[t] += position * tensors[t]->strides[d] * item;
    }
    const auto row = [&](const TenonTensor& t) { return t.strides[last - 1]; };
    const auto column = [&](const TenonTensor& t) { return t.strides[last]; };
    const Gemm g{args.c.sizes[last - 1],
                 args.c.sizes[last],
                 args.a.sizes[last],
                 at[0],
                 at[1],
                 at[2],
                 bias.buffer == 0 ? nullptr : at[3],
                 row(args.a),
                 column(args.a),
                 row(args.b),
                 column(args.b),
                 row(args.c),
                 column(args.c),
                 row(bias),
                 column(bias),
                 args.alpha,
                 args.beta,
                 args.epilogue == TENON_EPILOGUE_RELU};
    const uint32_t dtype = args.c.dtype;
    if (IsHalf(dtype))
      RunHalf(g, dtype, fns, workspace, sum_bytes);
    else if (IsComplex(dtype))
      RunComplex(g, item / 2, fns, workspace);
    else
      fns.run(g, workspace);
  }
};

}  // namespace

TenonStatus Matmul(TenonDevice, TenonStream, const TenonMatmulArgs* given, TenonCall* call,
                   TenonError* error) noexcept {
  if (given == nullptr) return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: no arguments");
  if (const TenonStatus status = CheckCall(call, error); status != TENON_OK) return status;
  const TenonMatmulArgs& args = *given;
  if (const TenonStatus status = Check(args, error); status != TENON_OK) return status;
  const uint32_t dtype = args.c.dtype;
  uint32_t real = dtype;
  if (IsComplex(dtype)) real = dtype == TENON_C64 ? TENON_F32 : TENON_F64;
  Batch batch{args, {}, tenon_dtype_size(dtype), 0, 0};
  if (!FindGemm(real, &batch.fns))
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: no matmul of %s", tenon_dtype_name(dtype));
  const uint32_t rank = args.c.rank;
  const int64_t m = args.c.sizes[rank - 2], n = args.c.sizes[rank - 1], k = args.a.sizes[rank - 1];
  batch.sum_bytes = IsHalf(dtype) ? (m * n * 4 + 63) / 64 * 64 : 0;
  batch.bytes = batch.sum_bytes + batch.fns.workspace_bytes(m, n, k);
  if (call != nullptr && (call->flags & TENON_CALL_DRY_RUN) != 0) {
    call->workspace_bytes = batch.bytes > kStackBytes ? static_cast<uint64_t>(batch.bytes) + 64 : 0;
    return TENON_OK;
  }
  if (args.a.buffer == 0 || args.b.buffer == 0 || args.c.buffer == 0)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: a matmul without buffers");
  int64_t matrices = 1;
  for (uint32_t d = 0; d + 2 < rank; ++d) matrices *= args.c.sizes[d];
  if (batch.bytes <= kStackBytes) {
    // Small matrices: many of them to a thread, workspace on its stack.
    const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 21) / (m * n * k));
    ParallelFor(matrices, grain, [&](int64_t begin, int64_t end) {
      alignas(64) char workspace[kStackBytes];
      for (int64_t i = begin; i < end; ++i) batch.RunOne(i, workspace);
    });
    return TENON_OK;
  }
  // Large ones one after the other, each spread over the threads.
  if (call != nullptr && call->workspace != 0 &&
      call->workspace_bytes >= static_cast<uint64_t>(batch.bytes) + 64) {
    const uint64_t address = (call->workspace + call->workspace_offset + 63) / 64 * 64;
    for (int64_t i = 0; i < matrices; ++i) batch.RunOne(i, reinterpret_cast<char*>(address));
    return TENON_OK;
  }
  const HostMemory memory(static_cast<uint64_t>(batch.bytes));
  if (memory.data == nullptr)
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "cpu: no %lld bytes to multiply matrices",
                      (long long)batch.bytes);
  for (int64_t i = 0; i < matrices; ++i) batch.RunOne(i, static_cast<char*>(memory.data));
  return TENON_OK;
}

}  // namespace tenon_cpu
