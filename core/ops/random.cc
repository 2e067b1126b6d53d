#include "tenon/ops/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "tenon/abi/tenon_kit_philox.h"
#include "tenon/map/normal.h"
#include "tenon/ops/map_op.h"

namespace tenon {
namespace {

using map::Builder;
using map::Value;

// The element's 32 or 64 random bits: one lane or two, counted from the reserved offset.
Value random_bits(Builder& b, Value key, Value offset, bool wide) {
  const Value i = cast(b.index(), DType::uint64);
  if (!wide) return philox(i + offset, key);
  const Value first = i * 2.0 + offset;
  const Value high = cast(philox(first, key), DType::uint64),
              low = cast(philox(first + 1.0, key), DType::uint64);
  return (high << 32.0) | low;
}

// In [0, 1): 24 or 53 bits.
Value unit_interval(Value bits) {
  return bits.dtype() == DType::uint64 ? cast(bits >> 11.0, DType::float64) * 0x1p-53
                                       : cast(bits >> 8.0, DType::float32) * 0x1p-24;
}

enum Kind { kUniform, kNormal, kRandint, kKinds };

// Slots of every kernel: key, offset, then two numbers of the kind (low and span, mean and stddev)
// and, for uniform, the largest result.
map::Kernel make_kernel(Kind kind, DType d) {
  Builder b;
  const bool wide = kind == kRandint || d == DType::float64;
  const Value key = b.scalar(DType::uint64), offset = b.scalar(DType::uint64);
  const Value bits = random_bits(b, key, offset, wide);
  map::Kernel k;
  if (kind == kRandint) {
    const Value low = b.scalar(DType::uint64), span = b.scalar(DType::uint64);
    k.name = "randint";
    // The high half of bits * span: Lemire 2019, without the rejection that would make the count
    // vary; the bias is below span / 2^64.
    k.program = b.finish({cast(bitcast(low + mulhi(bits, span), DType::int64), d)});
    return k;
  }
  const DType compute = compute_dtype(d);
  const Value first = b.scalar(compute), second = b.scalar(compute);
  if (kind == kUniform) {
    const Value last = b.scalar(compute);
    k.name = "uniform";
    k.program = b.finish({cast(min(first + unit_interval(bits) * second, last), d)});
  } else {
    k.name = "normal";
    k.program = b.finish({cast(first + map::normal_from_bits(bits) * second, d)});
  }
  return k;
}

constinit std::atomic<PlanSlots*> kernels[kKinds][kDTypeCount] = {};

Tensor draw(Kind kind, DimsView shape, DType d, Device device, Generator& generator, uint64_t first,
            uint64_t second, uint64_t third) {
  Tensor t = empty(shape, d, device);
  std::atomic<PlanSlots*>& place = kernels[kind][static_cast<int>(d)];
  PlanSlots* slots = place.load(std::memory_order_acquire);
  if (!slots) {
    auto* made = new PlanSlots(make_kernel(kind, d));
    if (place.compare_exchange_strong(slots, made, std::memory_order_acq_rel)) {
      slots = made;
    } else {
      delete made;
    }
  }
  const bool wide = kind == kRandint || d == DType::float64;
  const uint64_t offset = generator.reserve(static_cast<uint64_t>(t.size()) * (wide ? 2 : 1));
  const uint64_t scalars[] = {generator.seed(), offset, first, second, third};
  LaunchOperand args[] = {{t.impl(), Dims(t.strides())}};
  launch(slots->on(device.state()), {.sizes = t.shape(), .indexed = true}, args,
         std::span<const uint64_t>(scalars, slots->kernel().scalar_count()));
  return t;
}

void check_floating(const char* name, DType d) {
  if (!is_floating(d))
    fail(ErrorCode::kDType, name, "draws floating dtypes, not ", dtype_name(d),
         "; use randint() for integers");
}

constinit MapOp dropout_op(
    "dropout", 3, 1, DTypeClass::floating,
    [](const Value* x, Value* y, Builder& b, const void*) {  // x, p, 1 / (1 - p)
      const Value key = b.scalar(DType::uint64), offset = b.scalar(DType::uint64);
      const Value u = cast(unit_interval(random_bits(b, key, offset, false)), x[0].dtype());
      y[0] = select(x[1] <= u, x[0] * x[2], 0.0);
    });

// The largest number of dtype below x.
double largest_below(double x, DType dtype) {
  return visit_dtype(dtype, [&]<class T>() -> double {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      T rounded(static_cast<float>(x));
      if (static_cast<float>(rounded) < x) return static_cast<float>(rounded);
      const bool negative = rounded.bits >> 15, zero = (rounded.bits & 0x7FFF) == 0;
      rounded.bits = static_cast<uint16_t>(zero       ? 0x8001
                                           : negative ? rounded.bits + 1
                                                      : rounded.bits - 1);
      return static_cast<float>(rounded);
    } else {
      const double rounded = dtype == DType::float64 ? x : static_cast<float>(x);
      if (rounded < x) return rounded;
      return dtype == DType::float64 ? std::nextafter(x, -HUGE_VAL)
                                     : std::nextafter(static_cast<float>(x), -HUGE_VALF);
    }
  });
}

}  // namespace

Generator& default_generator() {
  static Generator* generator = new Generator(0);
  return *generator;
}

void manual_seed(uint64_t seed) { default_generator().reseed(seed); }

Tensor uniform(DimsView shape, double low, double high, DType dtype, Device device,
               Generator& generator) {
  check_floating("uniform", dtype);
  if (!(low <= high))
    fail(ErrorCode::kInvalidArgument, "uniform", "low is ", low, ", high ", high,
         "; low may not exceed high");
  const DType d = compute_dtype(dtype);
  // Rounding may reach `high`, which the interval excludes.
  const double last = std::max(low, largest_below(high, dtype));
  return draw(kUniform, shape, dtype, device, generator, Scalar(low).bits_as(d),
              Scalar(high - low).bits_as(d), Scalar(low == high ? high : last).bits_as(d));
}

Tensor normal(DimsView shape, double mean, double stddev, DType dtype, Device device,
              Generator& generator) {
  check_floating("normal", dtype);
  if (!(stddev >= 0))
    fail(ErrorCode::kInvalidArgument, "normal", "stddev is ", stddev, "; it may not be negative");
  const DType d = compute_dtype(dtype);
  return draw(kNormal, shape, dtype, device, generator, Scalar(mean).bits_as(d),
              Scalar(stddev).bits_as(d), 0);
}

Tensor randint(DimsView shape, int64_t low, int64_t high, DType dtype, Device device,
               Generator& generator) {
  if (!is_integral(dtype))
    fail(ErrorCode::kDType, "randint", "draws integer dtypes, not ", dtype_name(dtype),
         "; use uniform() for floats");
  if (low >= high)
    fail(ErrorCode::kInvalidArgument, "randint", "low is ", low, ", high ", high,
         "; low must be below high");
  const auto span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  return draw(kRandint, shape, dtype, device, generator, static_cast<uint64_t>(low), span, 0);
}

Tensor randperm(int64_t n, Device device, Generator& generator) {
  if (n < 0) fail(ErrorCode::kInvalidArgument, "randperm", "n is ", n, "; it may not be negative");
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  const uint64_t offset = generator.reserve(2 * static_cast<uint64_t>(n));
  // Fisher and Yates, on the host, with the same bits as randint.
  for (int64_t i = n - 1; i > 0; --i) {
    const uint64_t at = offset + 2 * static_cast<uint64_t>(i);
    const uint64_t bits = static_cast<uint64_t>(tenon_philox_word(at, generator.seed())) << 32 |
                          tenon_philox_word(at + 1, generator.seed());
    const auto j = static_cast<size_t>(
        static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(i + 1) >> 64);
    std::swap(order[static_cast<size_t>(i)], order[j]);
  }
  return from_host(DType::int64, DimsView(&n, 1), order.data(), device);
}

Tensor dropout(const Tensor& x, double p, Generator& generator) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "dropout", "the tensor is undefined");
  if (!(p >= 0 && p <= 1))
    fail(ErrorCode::kInvalidArgument, "dropout",
         "dropout probability has to be between 0 and 1, but got ", p);
  if (p == 0) return x;
  const uint64_t extra[] = {generator.seed(), generator.reserve(static_cast<uint64_t>(x.size()))};
  const Operand operands[] = {x, p, 1 / (1 - p)};
  Tensor y;
  dropout_op.call(operands, &y, extra);
  return y;
}

}  // namespace tenon
