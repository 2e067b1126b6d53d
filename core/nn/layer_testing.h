// For the tests of this directory, on top of tests/tensor_values.h: shapes in braces, numbers
// without a pattern, relative bounds.
#ifndef TENON_NN_LAYER_TESTING_H_
#define TENON_NN_LAYER_TESTING_H_

#include <cmath>
#include <vector>

#include "tests/tensor_values.h"

namespace tenon::nn {

inline Tensor on_device(const std::vector<double>& numbers, const Dims& shape,
                        DType dtype = DType::float64) {
  return make(numbers, shape, dtype);
}

inline Tensor parameter(const std::vector<double>& numbers, const Dims& shape,
                        DType dtype = DType::float64) {
  return leaf(numbers, shape, dtype);
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

}  // namespace tenon::nn

#endif  // TENON_NN_LAYER_TESTING_H_
