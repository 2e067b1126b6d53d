// For tests: tensors of given numbers on the test's device, the numbers of any tensor, the error
// that a call raises.
#ifndef TENON_TESTS_TENSOR_VALUES_H_
#define TENON_TESTS_TENSOR_VALUES_H_

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "tenon/tensor/tensor.h"
#include "tests/test_device.h"

namespace tenon {

// Row by row, as float64, from any device and any real dtype. A wait for the device.
inline std::vector<double> values(const Tensor& t) {
  const NoGradScope constant;
  const Tensor host = t.detach().cpu().to(DType::float64).contiguous();
  const auto* first = host.data<double>();
  return {first, first + host.size()};
}

inline std::vector<int64_t> dims(DimsView view) { return {view.begin(), view.end()}; }

inline Tensor make(const std::vector<double>& numbers, DimsView shape,
                   DType dtype = DType::float64) {
  return tensor(std::span<const double>(numbers), shape).to(dtype).to(test_device());
}

inline Tensor make(const std::vector<double>& numbers, DType dtype = DType::float64) {
  return make(numbers, {static_cast<int64_t>(numbers.size())}, dtype);
}

// 0, 1, 2, ... row by row.
inline Tensor counting(DimsView shape, DType dtype = DType::float64) {
  std::vector<double> numbers(static_cast<size_t>(element_count("counting", shape)));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i);
  return make(numbers, shape, dtype);
}

inline Tensor leaf(const std::vector<double>& numbers, DimsView shape,
                   DType dtype = DType::float64) {
  return make(numbers, shape, dtype).requires_grad_();
}

inline Tensor leaf(const std::vector<double>& numbers) { return make(numbers).requires_grad_(); }

inline void expect_values(const Tensor& t, const std::vector<double>& expected,
                          double absolute = 0) {
  ASSERT_TRUE(t.defined());
  const std::vector<double> got = values(t);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(got[i] == expected[i] || std::abs(got[i] - expected[i]) <= absolute)
        << "element " << i << " is " << got[i] << ", not " << expected[i];
  }
}

// What the call's error says; fails the test if there is none, or one of another code.
template <class Call>
std::string error_of(ErrorCode code, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error_code_name(error.code()), error_code_name(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace tenon

#endif  // TENON_TESTS_TENSOR_VALUES_H_
