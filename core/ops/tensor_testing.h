// For the tests of this directory: tensors of given numbers on the test's device, in every layout,
// and the numbers of any tensor, read on the host along its strides.
#ifndef TENON_OPS_TENSOR_TESTING_H_
#define TENON_OPS_TENSOR_TESTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tenon/autograd/autograd.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/tensor.h"
#include "tests/test_device.h"

namespace tenon {

using Real = long double;
using Reals = std::vector<Real>;
inline constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
inline constexpr Real kNan = std::numeric_limits<Real>::quiet_NaN();

// Elements in row-major order, read along the strides. Complex tensors give their real parts.
inline Reals values(const Tensor& t) {
  const Tensor host = t.detach().cpu();
  Reals out;
  const int64_t n = host.size();
  if (n == 0) return out;
  const auto* first = static_cast<const std::byte*>(host.raw_data());
  std::vector<int64_t> at(static_cast<size_t>(host.ndim()), 0);
  for (int64_t i = 0; i < n; ++i) {
    int64_t offset = 0;
    for (size_t k = 0; k < at.size(); ++k) offset += at[k] * host.strides()[k];
    visit_dtype(host.dtype(), [&]<class T>() {
      const T element =
          *reinterpret_cast<const T*>(first + offset * static_cast<int64_t>(sizeof(T)));
      if constexpr (std::is_same_v<T, Complex64> || std::is_same_v<T, Complex128>) {
        out.push_back(element.real);
      } else if constexpr (NarrowFloat<T>) {
        out.push_back(static_cast<float>(element));
      } else {
        out.push_back(static_cast<Real>(element));
      }
    });
    for (size_t k = at.size(); k-- > 0;) {
      if (++at[k] < host.shape()[k]) break;
      at[k] = 0;
    }
  }
  return out;
}

// A contiguous tensor of these numbers; each is rounded to dtype on the host.
inline Tensor make(DType dtype, const Dims& shape, const Reals& numbers,
                   Device device = test_device()) {
  return visit_dtype(dtype, [&]<class T>() -> Tensor {
    std::vector<std::byte> bytes(sizeof(T) * std::max<size_t>(numbers.size(), 1));
    for (size_t i = 0; i < numbers.size(); ++i) {
      T element{};
      if constexpr (NarrowFloat<T>) {
        element = T(static_cast<float>(numbers[i]));
      } else if constexpr (std::is_same_v<T, Complex64> || std::is_same_v<T, Complex128>) {
        element.real = static_cast<decltype(element.real)>(numbers[i]);
      } else if constexpr (std::is_same_v<T, bool>) {
        element = numbers[i] != 0;
      } else {
        element = static_cast<T>(numbers[i]);
      }
      std::memcpy(bytes.data() + i * sizeof(T), &element, sizeof(T));
    }
    return from_host(dtype, shape, bytes.data(), device);
  });
}
inline Tensor make(const Dims& shape, const Reals& numbers) {
  return make(DType::float64, shape, numbers);
}
inline Tensor leaf(const Dims& shape, const Reals& numbers, DType dtype = DType::float64) {
  return make(dtype, shape, numbers).requires_grad_();
}

// Numbers in [low, high] that are no pattern.
inline Reals random_reals(int64_t count, double low, double high, uint64_t seed = 1) {
  Reals out;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    out.push_back(low + (high - low) * (static_cast<double>(seed >> 11) * 0x1p-53));
  }
  return out;
}
inline Reals counting(int64_t count, Real first = 0) {
  Reals out;
  for (int64_t i = 0; i < count; ++i) out.push_back(first + static_cast<Real>(i));
  return out;
}

// The same logical tensor in different memory orders.
enum class Layout { kContiguous, kStepped, kReversed, kTransposed };
inline constexpr Layout kLayouts[] = {Layout::kContiguous, Layout::kStepped, Layout::kReversed,
                                      Layout::kTransposed};
inline Tensor make_as(Layout layout, DType dtype, const Dims& shape, const Reals& numbers) {
  const int rank = shape.size();
  if (rank == 0 || numbers.empty() || layout == Layout::kContiguous)
    return make(dtype, shape, numbers);
  switch (layout) {
    case Layout::kReversed: {
      Reals backwards(numbers.rbegin(), numbers.rend());
      return flip(make(dtype, shape, backwards));
    }
    case Layout::kStepped: {
      // Every other element of the last axis, from the second on.
      Dims wide = shape;
      wide[rank - 1] = 2 * shape[rank - 1] + 1;
      Reals padded;
      const auto columns = static_cast<size_t>(shape[rank - 1]);
      for (size_t i = 0; i < numbers.size(); ++i) {
        padded.push_back(77);
        padded.push_back(numbers[i]);
        if (i % columns == columns - 1) padded.push_back(55);
      }
      return slice(make(dtype, wide, padded), rank - 1, 1, kUnset, 2);
    }
    default: {
      // Column-major order.
      Dims turned(rank, 0), axes(rank, 0);
      for (int i = 0; i < rank; ++i) {
        turned[i] = shape[rank - 1 - i];
        axes[i] = rank - 1 - i;
      }
      Reals moved(numbers.size());
      std::vector<int64_t> at(static_cast<size_t>(rank), 0);
      for (Real number : numbers) {
        int64_t to = 0;
        for (int i = rank - 1; i >= 0; --i) to = to * shape[i] + at[static_cast<size_t>(i)];
        moved[static_cast<size_t>(to)] = number;
        for (int i = rank; i-- > 0;) {
          if (++at[static_cast<size_t>(i)] < shape[i]) break;
          at[static_cast<size_t>(i)] = 0;
        }
      }
      return permute_dims(make(dtype, turned, moved), axes);
    }
  }
}

// Half a unit of the last place, relative: 2^-11 for float16 ...
inline Real epsilon_of(DType d) {
  switch (d) {
    case DType::float16:
      return 0x1p-11L;
    case DType::bfloat16:
      return 0x1p-8L;
    case DType::float8_e4m3fn:
      return 0x1p-4L;
    case DType::float8_e5m2:
      return 0x1p-3L;
    case DType::float32:
      return 0x1p-24L;
    case DType::float64:
      return 0x1p-53L;
    default:
      return 0;
  }
}

// |got - expected| <= relative |expected| + absolute for every element; NaN matches NaN and
// infinities themselves.
inline testing::AssertionResult near(const Reals& got, const Reals& expected, Real relative = 0,
                                     Real absolute = 0) {
  if (got.size() != expected.size()) {
    return testing::AssertionFailure() << got.size() << " elements, not " << expected.size();
  }
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i]) ? std::isnan(got[i]) : got[i] == expected[i]) continue;
    if (!(std::abs(got[i] - expected[i]) <= relative * std::abs(expected[i]) + absolute)) {
      return testing::AssertionFailure() << "element " << i << ": " << static_cast<double>(got[i])
                                         << ", not " << static_cast<double>(expected[i]);
    }
  }
  return testing::AssertionSuccess();
}
inline testing::AssertionResult near(const Tensor& got, const Reals& expected, Real relative = 0,
                                     Real absolute = 0) {
  return near(values(got), expected, relative, absolute);
}
inline Dims shape_of(const Tensor& t) { return Dims(t.shape()); }

// Gradients to second order by finite differences; the message, or nothing.
inline std::string check_gradients(const std::function<Tensor(std::span<const Tensor>)>& f,
                                   const std::vector<Tensor>& inputs, bool second = true) {
  return gradcheck(f, inputs,
                   {.step = 1e-5, .absolute = 1e-6, .relative = 1e-5, .second_order = second});
}
#define EXPECT_GRADIENTS(...) EXPECT_EQ(check_gradients(__VA_ARGS__), "")

// The first and second derivative of an elementwise function at x, element by element.
struct Derivatives {
  Reals first, second;
};
inline Derivatives derivatives(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  const Tensor y = f(x);
  const Tensor seed[] = {ones_like(y)}, roots[] = {y}, leaves[] = {x};
  const Tensor d = grad(roots, leaves, seed, {.create_graph = true, .allow_unused = true})[0];
  const Reals zero(static_cast<size_t>(x.size()), 0);
  if (!d.defined()) return {zero, zero};
  if (!d.requires_grad()) return {values(d), zero};
  const Tensor again[] = {d}, ones[] = {ones_like(d)};
  const Tensor dd = grad(again, leaves, ones, {.allow_unused = true})[0];
  return {values(d), dd.defined() ? values(dd) : zero};
}

// The message of the error that `call` raises; fails the test if there is none or its code is
// another.
template <class Call>
std::string error_of(ErrorCode code, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}
inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace tenon

#endif  // TENON_OPS_TENSOR_TESTING_H_
