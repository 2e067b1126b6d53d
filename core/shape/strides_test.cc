// Reshaped, sliced and collapsed layouts of shape.h against every offset, enumerated, and against
// Python's slices.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/shape/shape_testing.h"
#include "tenon/base/error.h"
#include "tenon/shape/shape.h"

namespace tenon {
namespace {

// All shapes of `count` elements with up to 4 axes, sizes of 1 among them.
std::vector<Dims> shapes_of(int64_t count) {
  std::vector<Dims> out;
  const auto extend = [&](auto&& self, const Dims& prefix, int64_t left) -> void {
    if (left == 1) out.push_back(prefix);
    if (prefix.size() == 4) return;
    for (int64_t size = 1; size <= left; ++size) {
      if (left % size) continue;
      Dims next(prefix);
      next.push_back(size);
      self(self, next, left / size);
    }
  };
  extend(extend, Dims(), count);
  return out;
}

TEST(ViewStrides, ExistExactlyWhenTheOffsetsSayIt) {
  Random random;
  std::map<int64_t, std::vector<Dims>> targets;
  int views = 0, copies = 0;
  for (int round = 0; round < 1500; ++round) {
    const Dims shape = random.dims(4, 1, 3), strides = random.view_strides(shape);
    const Values all = offsets(shape, strides);
    const auto count = static_cast<int64_t>(all.size());
    if (!targets.count(count)) targets[count] = shapes_of(count);
    const std::vector<Dims>& candidates = targets[count];
    for (int pick = 0; pick < 12; ++pick) {
      const Dims& target = candidates[static_cast<size_t>(
          random.in(0, static_cast<int64_t>(candidates.size()) - 1))];
      // The strides of the target are forced by the offsets of its axes' second positions.
      const Dims steps = contiguous_strides(target);
      Dims wanted(target.size(), 0);
      for (int i = 0; i < target.size(); ++i) {
        if (target[i] > 1) wanted[i] = all[static_cast<size_t>(steps[i])] - all[0];
      }
      const bool possible = offsets(target, wanted) == all;
      Dims got;
      const bool answer = view_strides(shape, strides, target, &got);
      ASSERT_EQ(answer, possible) << shape_text(shape) << shape_text(strides) << " as "
                                  << shape_text(target);
      if (answer) {
        ASSERT_EQ(got.size(), target.size());
        ASSERT_EQ(offsets(target, got), all)
            << shape_text(shape) << shape_text(strides) << " as " << shape_text(target);
      }
      (answer ? views : copies) += 1;
    }
  }
  EXPECT_GT(views, 1000);
  EXPECT_GT(copies, 1000);
  Dims empty;
  EXPECT_TRUE(view_strides({0, 3}, {5, 7}, {2, 0, 4}, &empty));
  EXPECT_EQ(empty.size(), 3);
}

// slice.indices as CPython's PySlice_AdjustIndices has it, in 128 bits.
Values python_slice(int64_t start, int64_t stop, int64_t step, int64_t size) {
  using Wide = __int128;
  const Wide n = size, by = step == kUnset ? 1 : step;
  const auto clamp = [&](Wide v) -> Wide {
    if (v < 0) {
      v += n;
      return v < 0 ? (by < 0 ? -1 : 0) : v;
    }
    return v >= n ? (by < 0 ? n - 1 : n) : v;
  };
  const Wide first = start == kUnset ? (by < 0 ? n - 1 : 0) : clamp(start),
             last = stop == kUnset ? (by < 0 ? -1 : n) : clamp(stop);
  Values out;
  for (Wide i = first; by > 0 ? i < last : i > last; i += by)
    out.push_back(static_cast<int64_t>(i));
  return out;
}

TEST(Slice, IsPythons) {
  Values ends{kUnset, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1},
      steps{kUnset, INT64_MIN + 1, INT64_MAX, -INT64_MAX + 1};
  for (int64_t v = -7; v <= 7; ++v) {
    ends.push_back(v);
    if (v) steps.push_back(v);
  }
  for (int64_t size = 0; size <= 5; ++size) {
    for (int64_t start : ends) {
      for (int64_t stop : ends) {
        for (int64_t step : steps) {
          const SliceRange r = resolve_slice("f", start, stop, step, size);
          Values got;
          for (int64_t k = 0; k < r.count; ++k) got.push_back(r.start + k * r.step);
          ASSERT_EQ(got, python_slice(start, stop, step, size))
              << start << ":" << stop << ":" << step << " of " << size;
        }
      }
    }
  }
  const SliceRange all = resolve_slice("f", kUnset, kUnset, -1, INT64_MAX);
  EXPECT_EQ(all.start, INT64_MAX - 1);
  EXPECT_EQ(all.count, INT64_MAX);
  EXPECT_EQ(error_of(ErrorCode::kInvalidArgument, [] { resolve_slice("slice", 0, 1, 0, 5); }),
            "slice: slice step cannot be zero");
}

TEST(CollapseAxes, KeepsEveryOffsetInOrder) {
  Random random;
  int merged = 0;
  for (int round = 0; round < 5000; ++round) {
    const Dims shape = random.dims(5, 1, 3);
    const int rank = shape.size();
    const Dims a = random.view_strides(shape), b = round % 3 ? a : random.view_strides(shape),
               c = contiguous_strides(shape);
    Dims sizes(shape), sa(a), sb(b), sc(c);
    int64_t* strides[] = {sa.data(), sb.data(), sc.data()};
    const auto before = static_cast<uint64_t>(random.in(0, (1 << rank) - 1));
    uint64_t mask = before;
    const int left = collapse_axes(rank, sizes.data(), 3, strides, round % 2 ? &mask : nullptr);
    ASSERT_LE(left, rank);
    sizes.resize(left);
    const Dims* original[] = {&a, &b, &c};
    Dims* collapsed[] = {&sa, &sb, &sc};
    for (int k = 0; k < 3; ++k) {
      collapsed[k]->resize(left);
      ASSERT_EQ(offsets(sizes, *collapsed[k]), offsets(shape, *original[k]));
    }
    if (round % 2) {
      // The elements of the marked axes stay marked: as many positions along them as before.
      int64_t marked = 1, marked_after = 1;
      for (int i = 0; i < rank; ++i) marked *= before >> i & 1 ? shape[i] : 1;
      for (int i = 0; i < left; ++i) marked_after *= mask >> i & 1 ? sizes[i] : 1;
      ASSERT_EQ(marked, marked_after);
      ASSERT_EQ(mask >> left, 0u);
    }
    merged += left < rank;
  }
  EXPECT_GT(merged, 1000);

  // A contiguous tensor of any rank is one run, up to 64 axes.
  const Dims twos(32, 2), ones(64, 1);
  Dims sizes(twos), strides = contiguous_strides(twos);
  int64_t* one[] = {strides.data()};
  EXPECT_EQ(collapse_axes(32, sizes.data(), 1, one, nullptr), 1);
  EXPECT_EQ(sizes[0], int64_t{1} << 32);
  EXPECT_EQ(strides[0], 1);
  Dims nothing(ones), any(64, 5);
  int64_t* other[] = {any.data()};
  EXPECT_EQ(collapse_axes(64, nothing.data(), 1, other, nullptr), 0);
}

}  // namespace
}  // namespace tenon
