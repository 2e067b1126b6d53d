// For the tests of shapes: what strides mean, by enumerating every offset; random layouts.
#ifndef TENON_SHAPE_SHAPE_TESTING_H_
#define TENON_SHAPE_SHAPE_TESTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tenon/base/error.h"
#include "tenon/shape/shape.h"

namespace tenon {

using Values = std::vector<int64_t>;

inline Values list(DimsView v) { return {v.begin(), v.end()}; }

// The offsets of all elements, row by row.
inline Values offsets(DimsView shape, DimsView strides) {
  Values out{0};
  for (size_t i = 0; i < shape.size(); ++i) {
    Values next;
    for (int64_t o : out) {
      for (int64_t k = 0; k < shape[i]; ++k) next.push_back(o + k * strides[i]);
    }
    out = std::move(next);
  }
  return out;
}

template <class Call>
std::string error_of(ErrorCode code, Call call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(error_code_name(e.code()), error_code_name(code));
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class Random {
 public:
  int64_t in(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  Dims dims(int max_rank, int64_t low, int64_t high) {
    Dims d;
    for (int64_t n = in(0, max_rank); n > 0; --n) d.push_back(in(low, high));
    return d;
  }
  // Strides as views have them: a permuted, sliced, reversed or repeated row-major layout.
  Dims view_strides(const Dims& shape) {
    Values order(static_cast<size_t>(shape.size()));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    if (in(0, 1)) std::shuffle(order.begin(), order.end(), engine_);
    Dims strides(shape.size(), 0);
    int64_t step = 1;
    for (size_t k = order.size(); k-- > 0;) {
      const int axis = static_cast<int>(order[k]);
      if (in(0, 5) == 0) step *= in(1, 3);
      strides[axis] = step * (in(0, 5) == 0 ? -1 : 1);
      if (in(0, 9) == 0) strides[axis] = 0;
      step *= std::max<int64_t>(shape[axis], 1);
    }
    return strides;
  }

 private:
  std::mt19937_64 engine_{7};
};

}  // namespace tenon

#endif  // TENON_SHAPE_SHAPE_TESTING_H_
