// softmax, cross entropy, layer norm and gradients: the checks, and each as a few lines over rows.
#include "backends/cpu/fused_entries.h"

#include <cmath>

#include "backends/cpu/row_kernels.h"
#include "backends/cpu/rows.h"
#include "backends/cpu/typed_entries.h"
#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

using Block = Rows::Block;

// One tensor of a call: its name for messages, and what it has to be.
struct Role {
  enum class Kind { kRow, kStatistic, kParameter };  // kParameter: may be missing
  const char* name;
  const TenonTensor* tensor;
  Kind kind;
  uint32_t dtype;  // 0: i32 or i64
};
constexpr Role::Kind kRow = Role::Kind::kRow, kStatistic = Role::Kind::kStatistic,
                     kParameter = Role::Kind::kParameter;

const TenonTensor* Given(const TenonTensor& parameter) {
  return parameter.buffer == 0 ? nullptr : &parameter;
}

TenonStatus CheckRole(const char* entry, const Role& role, const TenonTensor& x,
                      TenonError* error) {
  const TenonTensor& t = *role.tensor;
  if (t.rank != x.rank) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: %s with x of rank %u and %s of rank %u",
                      entry, x.rank, role.name, t.rank);
  }
  if (role.dtype == 0 ? t.dtype != TENON_I32 && t.dtype != TENON_I64 : t.dtype != role.dtype) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: %s with x of %s and %s of %s, not %s",
                      entry, tenon_dtype_name(x.dtype), role.name, tenon_dtype_name(t.dtype),
                      role.dtype == 0 ? "i32 or i64" : tenon_dtype_name(role.dtype));
  }
  for (uint32_t d = 0; d < x.rank; ++d) {
    const bool last = d + 1 == x.rank;
    const int64_t size = last && role.kind == kStatistic ? 1 : x.sizes[d];
    if (size <= 0 || t.sizes[d] != size) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT,
                        "cpu: %s with %s of size %lld along axis %u, where x has %lld", entry,
                        role.name, (long long)t.sizes[d], d, (long long)x.sizes[d]);
    }
    if (role.kind == kParameter && !last && t.sizes[d] > 1 && t.strides[d] != 0) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT,
                        "cpu: %s with %s of stride %lld, not 0, along axis %u", entry, role.name,
                        (long long)t.strides[d], d);
    }
  }
  return TENON_OK;
}

// What all entries have in common; roles[0] is x. `option`: a field that knows 0 and 1.
template <class Args>
TenonStatus Check(const char* entry, const Args& args, uint32_t option, const TenonCall* call,
                  std::initializer_list<Role> roles, TenonError* error) {
  if (const TenonStatus status = CheckCall(call, error); status != TENON_OK) return status;
  if (!tenon_struct_ok(&args, sizeof args) || args.flags != 0 || option > 1) {
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown fields, flags %#x or option %u of %s",
                      args.flags, option, entry);
  }
  const TenonTensor& x = *roles.begin()->tensor;
  if (x.rank < 1 || x.rank > TENON_ABI_MAX_RANK) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: %s of rank %u, not 1 to %d", entry,
                      x.rank, TENON_ABI_MAX_RANK);
  }
  if (!tenon_dtype_is_float(x.dtype))
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: no %s of %s", entry,
                      tenon_dtype_name(x.dtype));
  const bool dry = call != nullptr && (call->flags & TENON_CALL_DRY_RUN) != 0;
  for (const Role& role : roles) {
    if (role.kind == kParameter && Given(*role.tensor) == nullptr) continue;
    if (const TenonStatus status = CheckRole(entry, role, x, error); status != TENON_OK)
      return status;
    if (!dry && role.tensor->buffer == 0)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: %s with %s without a buffer", entry,
                        role.name);
  }
  return TENON_OK;
}

// Whether the struct can be read at all.
template <class Args>
TenonStatus CheckSize(const char* entry, const Args* args, TenonError* error) {
  if (args == nullptr)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: %s without arguments", entry);
  if (args->size >= sizeof *args) return TENON_OK;
  return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: arguments of %u bytes for %s", args->size,
                    entry);
}

// Plans, and runs fn over the blocks unless that is only asked about.
template <class Fn>
TenonStatus Run(const char* entry, Rows& rows, bool has_tile_kernel, TenonCall* call, Fn&& fn,
                TenonError* error) {
  if (!rows.Plan(has_tile_kernel)) {
    return tenon_fail(error, TENON_UNSUPPORTED,
                      "cpu: no %s along rows of %lld elements with these strides", entry,
                      (long long)rows.n());
  }
  if (call != nullptr) call->workspace_bytes = 0;
  if (call != nullptr && (call->flags & TENON_CALL_DRY_RUN) != 0) return TENON_OK;
  return rows.ForEachBlock(fn, error);
}

void WriteNumber(char* to, uint32_t dtype, double x) {
  if (dtype == TENON_F16)
    *reinterpret_cast<uint16_t*>(to) = tenon_f64_to_f16(x);
  else if (dtype == TENON_BF16)
    *reinterpret_cast<uint16_t*>(to) = tenon_f64_to_bf16(x);
  else if (dtype == TENON_F32)
    *reinterpret_cast<float*>(to) = static_cast<float>(x);
  else
    *reinterpret_cast<double*>(to) = x;
}

double ReadNumber(const char* from, bool wide) {
  return wide ? *reinterpret_cast<const double*>(from)
              : static_cast<double>(*reinterpret_cast<const float*>(from));
}

uint32_t StatisticDtype(uint32_t dtype) {
  return dtype == TENON_F64 ? static_cast<uint32_t>(TENON_F64) : static_cast<uint32_t>(TENON_F32);
}

}  // namespace

TenonStatus Softmax(TenonDevice, TenonStream, const TenonSoftmaxArgs* args, TenonCall* call,
                    TenonError* error) noexcept {
  const char* const entry = "softmax";
  if (const TenonStatus status = CheckSize(entry, args, error); status != TENON_OK) return status;
  const TenonSoftmaxArgs& a = *args;
  const uint32_t dtype = a.x.dtype;
  if (const TenonStatus status = Check(entry, a, a.log | a.reserved, call,
                                       {{"x", &a.x, kRow, dtype}, {"y", &a.y, kRow, dtype}}, error);
      status != TENON_OK)
    return status;
  Rows rows({&a.x, &a.y}, 1, true);
  const RowFns& fns = FindRowFns(rows.wide());
  const bool log = a.log != 0;
  return Run(
      entry, rows, true, call,
      [&](const Block& b) {
        if (b.width == 1)
          fns.softmax(b.output, b.inputs[0], rows.n(), log);
        else
          fns.softmax_tile(b.output, b.inputs[0], rows.n(), b.width, log);
      },
      error);
}

TenonStatus SoftmaxBackward(TenonDevice, TenonStream, const TenonSoftmaxBackwardArgs* args,
                            TenonCall* call, TenonError* error) noexcept {
  const char* const entry = "softmax_backward";
  if (const TenonStatus status = CheckSize(entry, args, error); status != TENON_OK) return status;
  const TenonSoftmaxBackwardArgs& a = *args;
  const uint32_t dtype = a.y.dtype;
  if (const TenonStatus status = Check(
          entry, a, a.log | a.reserved, call,
          {{"y", &a.y, kRow, dtype}, {"g", &a.g, kRow, dtype}, {"dx", &a.dx, kRow, dtype}}, error);
      status != TENON_OK)
    return status;
  Rows rows({&a.y, &a.g, &a.dx}, 2, true);
  const RowFns& fns = FindRowFns(rows.wide());
  const bool log = a.log != 0;
  return Run(
      entry, rows, true, call,
      [&](const Block& b) {
        if (b.width == 1)
          fns.softmax_backward(b.output, b.inputs[0], b.inputs[1], rows.n(), log);
        else
          fns.softmax_backward_tile(b.output, b.inputs[0], b.inputs[1], rows.n(), b.width, log);
      },
      error);
}

TenonStatus CrossEntropy(TenonDevice, TenonStream, const TenonCrossEntropyArgs* args,
                         TenonCall* call, TenonError* error) noexcept {
  const char* const entry = "cross_entropy";
  if (const TenonStatus status = CheckSize(entry, args, error); status != TENON_OK) return status;
  const TenonCrossEntropyArgs& a = *args;
  const uint32_t dtype = a.x.dtype;
  if (const TenonStatus status = Check(entry, a, 0, call,
                                       {{"x", &a.x, kRow, dtype},
                                        {"target", &a.target, kStatistic, 0},
                                        {"loss", &a.loss, kStatistic, dtype},
                                        {"shift", &a.shift, kStatistic, dtype},
                                        {"exp_sum", &a.exp_sum, kStatistic, dtype}},
                                       error);
      status != TENON_OK)
    return status;
  enum { kX, kTarget, kLoss, kShift, kExpSum };
  Rows rows({&a.x, &a.target, &a.loss, &a.shift, &a.exp_sum}, 1, false);
  const RowFns& fns = FindRowFns(rows.wide());
  const int64_t classes = rows.n(), item = rows.wide() ? 8 : 4;
  const bool wide_target = a.target.dtype == TENON_I64;
  return Run(
      entry, rows, true, call,
      [&](const Block& b) {
        double shift[kMaxTileWidth], sum[kMaxTileWidth];
        if (b.width == 1)
          fns.exp_sum(b.inputs[0], classes, shift, sum);
        else
          fns.exp_sum_tile(b.inputs[0], classes, b.width, shift, sum);
        for (int64_t j = 0; j < b.count; ++j) {
          const int64_t row = b.first + j;
          const char* const at = rows.At(kTarget, row);
          const int64_t target = wide_target ? *reinterpret_cast<const int64_t*>(at)
                                             : *reinterpret_cast<const int32_t*>(at);
          double loss = std::log(sum[j]);
          if (target >= 0 && target < classes)
            loss -= ReadNumber(b.inputs[0] + (target * b.width + j) * item, rows.wide()) - shift[j];
          WriteNumber(rows.At(kLoss, row), dtype, loss);
          WriteNumber(rows.At(kShift, row), dtype, shift[j]);
          WriteNumber(rows.At(kExpSum, row), dtype, sum[j]);
        }
      },
      error);
}

TenonStatus LayerNorm(TenonDevice, TenonStream, const TenonLayerNormArgs* args, TenonCall* call,
                      TenonError* error) noexcept {
  const char* const entry = "layer_norm";
  if (const TenonStatus status = CheckSize(entry, args, error); status != TENON_OK) return status;
  const TenonLayerNormArgs& a = *args;
  const uint32_t dtype = a.x.dtype, statistic = StatisticDtype(dtype);
  if (const TenonStatus status = Check(entry, a, 0, call,
                                       {{"x", &a.x, kRow, dtype},
                                        {"weight", &a.weight, kParameter, dtype},
                                        {"bias", &a.bias, kParameter, dtype},
                                        {"y", &a.y, kRow, dtype},
                                        {"mean", &a.mean, kStatistic, statistic},
                                        {"rstd", &a.rstd, kStatistic, statistic}},
                                       error);
      status != TENON_OK)
    return status;
  enum { kX, kWeight, kBias, kY, kMean, kRstd };
  Rows rows({&a.x, Given(a.weight), Given(a.bias), &a.y, &a.mean, &a.rstd}, 3, true);
  const RowFns& fns = FindRowFns(rows.wide());
  return Run(
      entry, rows, false, call,
      [&](const Block& b) {
        double mean, rstd;
        fns.layer_norm(b.output, b.inputs[kX], b.inputs[kWeight], b.inputs[kBias], rows.n(), a.eps,
                       &mean, &rstd);
        WriteNumber(rows.At(kMean, b.first), statistic, mean);
        WriteNumber(rows.At(kRstd, b.first), statistic, rstd);
      },
      error);
}

TenonStatus LayerNormBackward(TenonDevice, TenonStream, const TenonLayerNormBackwardArgs* args,
                              TenonCall* call, TenonError* error) noexcept {
  const char* const entry = "layer_norm_backward";
  if (const TenonStatus status = CheckSize(entry, args, error); status != TENON_OK) return status;
  const TenonLayerNormBackwardArgs& a = *args;
  const uint32_t dtype = a.x.dtype, statistic = StatisticDtype(dtype);
  if (const TenonStatus status = Check(entry, a, 0, call,
                                       {{"x", &a.x, kRow, dtype},
                                        {"weight", &a.weight, kParameter, dtype},
                                        {"mean", &a.mean, kStatistic, statistic},
                                        {"rstd", &a.rstd, kStatistic, statistic},
                                        {"g", &a.g, kRow, dtype},
                                        {"dx", &a.dx, kRow, dtype}},
                                       error);
      status != TENON_OK)
    return status;
  enum { kX, kG, kWeight, kDx, kMean, kRstd };
  Rows rows({&a.x, &a.g, Given(a.weight), &a.dx, &a.mean, &a.rstd}, 3, true);
  const RowFns& fns = FindRowFns(rows.wide());
  return Run(
      entry, rows, false, call,
      [&](const Block& b) {
        fns.layer_norm_backward(b.output, b.inputs[kX], b.inputs[kG], b.inputs[kWeight], rows.n(),
                                ReadNumber(rows.At(kMean, b.first), rows.wide()),
                                ReadNumber(rows.At(kRstd, b.first), rows.wide()));
      },
      error);
}

}  // namespace tenon_cpu
