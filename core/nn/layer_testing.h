// For the tests of this directory: tensors of given numbers on the test's device, and the numbers
// of any tensor.
#ifndef TENON_NN_LAYER_TESTING_H_
#define TENON_NN_LAYER_TESTING_H_

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "tenon/tensor/tensor.h"
#include "tests/test_device.h"

namespace tenon::nn {

inline std::vector<double> values(const Tensor& t) {
  const Tensor host = t.detach().to(DType::float64).cpu().contiguous();
  const auto* first = host.data<double>();
  return {first, first + host.size()};
}

inline Tensor on_device(const std::vector<double>& numbers, const Dims& shape,
                        DType dtype = DType::float64) {
  return tensor(std::span<const double>(numbers), shape).to(dtype).to(test_device());
}

inline Tensor leaf(const std::vector<double>& numbers, const Dims& shape,
                   DType dtype = DType::float64) {
  Tensor t = on_device(numbers, shape, dtype);
  t.requires_grad_();
  return t;
}

// Numbers in [-1, 1] that are no pattern.
inline std::vector<double> numbers(int64_t count, uint64_t seed = 1) {
  std::vector<double> result;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    result.push_back(static_cast<double>(seed >> 11) * 0x1p-52 - 1);
  }
  return result;
}

inline void expect_near(const Tensor& t, const std::vector<double>& expected, double relative,
                        double absolute = 0) {
  const std::vector<double> got = values(t);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], absolute + relative * std::abs(expected[i]))
        << "element " << i;
  }
}

// The error that `call` raises; fails the test if there is none.
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

}  // namespace tenon::nn

#endif  // TENON_NN_LAYER_TESTING_H_
