// What shape.h says of sizes, axes and layouts, against what it means spelled out by brute force.
#include "tenon/shape/shape.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/shape/shape_testing.h"
#include "tenon/base/error.h"

namespace tenon {
namespace {

TEST(Dims, IsAVectorOfUpTo64) {
  Dims d{1, 2, 3};
  EXPECT_EQ(list(d), (Values{1, 2, 3}));
  d.insert(0, 9);
  d.insert(4, 8);
  d.erase(1);
  EXPECT_EQ(list(d), (Values{9, 2, 3, 8}));
  EXPECT_EQ(d.back(), 8);
  EXPECT_EQ(Dims(2, 5), (Dims{5, 5}));
  EXPECT_NE(Dims(2, 5), (Dims{5, 5, 5}));
  EXPECT_EQ(Dims(), Dims(0, 1));

  Values many;
  for (int i = 0; i < 64; ++i) many.push_back(i * i);
  Dims large{DimsView(many)};
  EXPECT_EQ(list(large), many);
  EXPECT_NE(error_of(ErrorCode::kShape, [&] { large.push_back(1); })
                .find("at most 64 dimensions, not 65"),
            std::string::npos);
  EXPECT_EQ(list(large), many) << "a refused element leaves it as it was";
}

TEST(Dims, CopiesAndMovesAcrossTheInlineBorder) {
  for (int from : {0, 1, 8, 9, 64}) {
    for (int to : {0, 1, 8, 9, 64}) {
      const Dims source(from, 3);
      Dims copy(to, 4);
      copy = source;
      EXPECT_EQ(copy, source);
      Dims moved(to, 4);
      moved = std::move(copy);
      EXPECT_EQ(moved, source);
      Dims& self = moved;
      moved = self;
      EXPECT_EQ(moved, source);
      const Dims last(std::move(moved));
      EXPECT_EQ(last, source);
      EXPECT_EQ(list(source), Values(static_cast<size_t>(from), 3));
    }
  }
}

TEST(Text, ReadsLikeAList) {
  EXPECT_EQ(shape_text({}), "[]");
  EXPECT_EQ(shape_text({2}), "[2]");
  EXPECT_EQ(shape_text({2, -3, 4}), "[2, -3, 4]");
}

TEST(ElementCount, RefusesNegativeSizesAndOverflow) {
  const int64_t big = int64_t{1} << 32;
  EXPECT_EQ(element_count("f", {}), 1);
  EXPECT_EQ(element_count("f", {2, 3, 4}), 24);
  EXPECT_EQ(element_count("f", {big, big, 0, big}), 0);
  EXPECT_EQ(element_count("f", {INT64_MAX, 1}), INT64_MAX);
  EXPECT_EQ(error_of(ErrorCode::kShape,
                     [&] {
                       element_count("f", {0, -1});
                     }),
            "f: negative size in shape [0, -1]");
  error_of(ErrorCode::kShape, [&] { element_count("f", {big, big}); });
  error_of(ErrorCode::kShape, [&] { element_count("f", {INT64_MAX, 2}); });
  const Values ones(65, 1);
  error_of(ErrorCode::kShape, [&] { element_count("f", DimsView(ones)); });
}

TEST(Contiguous, StridesCountRowMajor) {
  Random random;
  for (int round = 0; round < 2000; ++round) {
    const Dims shape = random.dims(5, 0, 4);
    const Dims strides = contiguous_strides(shape);
    const Values all = offsets(shape, strides);
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<int64_t>(i));
    EXPECT_TRUE(is_contiguous(shape, strides));
  }
  // Sizes beside a 0 may be as large as they like.
  const int64_t big = int64_t{1} << 62;
  for (const Dims& huge : {Dims{0, big, big}, Dims{big, big, 0}}) {
    EXPECT_TRUE(is_contiguous(huge, contiguous_strides(huge)));
    Dims strides;
    EXPECT_TRUE(view_strides(huge, contiguous_strides(huge), {0}, &strides));
  }
}

TEST(Contiguous, MeansOffsetsInOrder) {
  Random random;
  for (int round = 0; round < 5000; ++round) {
    const Dims shape = random.dims(4, 0, 3), strides = random.view_strides(shape);
    const Values all = offsets(shape, strides);
    bool in_order = true, distinct_run = !all.empty();
    for (size_t i = 0; i < all.size(); ++i) in_order &= all[i] == static_cast<int64_t>(i);
    EXPECT_EQ(is_contiguous(shape, strides), in_order) << shape_text(shape) << shape_text(strides);
    // Dense: the offsets are 0 .. n-1 in some order, and no stride is negative.
    Values sorted = all;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i) distinct_run &= sorted[i] == static_cast<int64_t>(i);
    for (int i = 0; i < shape.size(); ++i) distinct_run &= strides[i] >= 0 || shape[i] == 1;
    EXPECT_EQ(is_dense(shape, strides), distinct_run) << shape_text(shape) << shape_text(strides);
  }
}

TEST(SelfOverlap, IsNeverMissed) {
  Random random;
  int overlaps = 0, said = 0, views_without = 0;
  for (int round = 0; round < 20000; ++round) {
    const Dims shape = random.dims(4, 0, 4);
    Dims strides = random.view_strides(shape);
    const bool wild = round % 2;
    if (wild) {
      for (int64_t& s : strides) s = random.in(-7, 7);
    }
    const Values all = offsets(shape, strides);
    const bool overlap = std::set<int64_t>(all.begin(), all.end()).size() != all.size();
    const bool answer = may_self_overlap(shape, strides);
    if (overlap) {
      EXPECT_TRUE(answer) << shape_text(shape) << shape_text(strides);
    } else if (!wild) {
      EXPECT_FALSE(answer) << "permuted, sliced and reversed layouts are decided exactly: "
                           << shape_text(shape) << shape_text(strides);
      ++views_without;
    }
    overlaps += overlap;
    said += answer;
  }
  EXPECT_GT(overlaps, 1000);
  EXPECT_GT(views_without, 1000);
  EXPECT_GE(said, overlaps);
}

TEST(Axis, CountsFromBothEnds) {
  for (int rank : {1, 2, 5, 64}) {
    for (int axis = -rank; axis < rank; ++axis)
      EXPECT_EQ(normalize_axis("f", axis, rank), (axis + rank) % rank);
    for (int64_t axis : {int64_t{rank}, int64_t{-rank - 1}, INT64_MAX, INT64_MIN}) {
      EXPECT_NE(error_of(ErrorCode::kAxis, [&] { normalize_axis("f", axis, rank); })
                    .find(std::to_string(axis)),
                std::string::npos);
    }
  }
  EXPECT_EQ(error_of(ErrorCode::kAxis, [] { normalize_axis("f", 0, 0); }),
            "f: axis 0 does not exist: the tensor is 0-dimensional");
  EXPECT_EQ(normalize_axes("f", {-1, 0}, 3, false), (Dims{2, 0}));
  EXPECT_EQ(normalize_axes("f", {}, 3, true), (Dims{0, 1, 2}));
  EXPECT_EQ(normalize_axes("f", {}, 3, false), Dims());
  EXPECT_EQ(error_of(ErrorCode::kAxis,
                     [] {
                       normalize_axes("f", {2, 0, -1}, 3, false);
                     }),
            "f: axis -1 is named twice in [2, 0, -1]");
  EXPECT_EQ(error_of(ErrorCode::kAxis,
                     [] {
                       normalize_axes("f", {63, -1}, 64, true);
                     }),
            "f: axis -1 is named twice in [63, -1]");
}

TEST(Broadcast, FollowsNumpysRule) {
  Random random;
  int good = 0;
  for (int round = 0; round < 5000; ++round) {
    const Dims a = random.dims(4, 0, 3), b = random.dims(4, 0, 3);
    std::optional<Values> expected(std::in_place);
    for (int i = 1; i <= std::max(a.size(), b.size()) && expected; ++i) {
      const int64_t x = i <= a.size() ? a[a.size() - i] : 1,
                    y = i <= b.size() ? b[b.size() - i] : 1;
      if (x != y && x != 1 && y != 1) {
        expected.reset();
      } else {
        expected->insert(expected->begin(), x == 1 ? y : x);
      }
    }
    if (expected) {
      EXPECT_EQ(list(broadcast_shapes("f", a, b)), *expected);
      // Reading a through the strides gives each position its element.
      const Dims target{DimsView(*expected)},
          strides = broadcast_strides("f", a, contiguous_strides(a), target);
      const Values read = offsets(target, strides);
      for (size_t at = 0; at < read.size(); ++at) {
        int64_t rest = static_cast<int64_t>(at), wanted = 0, step = 1;
        for (int i = 1; i <= target.size(); ++i) {
          const int64_t position = rest % target[target.size() - i];
          rest /= target[target.size() - i];
          if (i > a.size()) continue;
          wanted += (a[a.size() - i] == 1 ? 0 : position) * step;
          step *= a[a.size() - i];
        }
        ASSERT_EQ(read[at], wanted);
      }
      ++good;
    } else {
      error_of(ErrorCode::kShape, [&] { broadcast_shapes("f", a, b); });
    }
  }
  EXPECT_GT(good, 500);
}

TEST(Broadcast, ErrorShowsBothShapesRightAlignedAndTheAxis) {
  const std::string text = error_of(ErrorCode::kShape, [] {
    broadcast_shapes("add", {2, 30}, {10, 400, 3});
  });
  EXPECT_EQ(text,
            "add: shapes do not broadcast:\n"
            "      [  2, 30]\n"
            "  [10, 400,  3]\n"
            "            ^^\n"
            "  axis -1 is 30 against 3; sizes must be equal or one of them 1 (reshape or "
            "expand_dims one side)");
  const std::string first = error_of(ErrorCode::kShape, [] {
    broadcast_shapes("add", {3, 2, 1}, {100, 2, 5});
  });
  EXPECT_NE(first.find("\n  [  3, 2, 1]\n  [100, 2, 5]\n   ^^^\n  axis -3 is 3 against 100;"),
            std::string::npos)
      << first;
  error_of(ErrorCode::kShape, [] { broadcast_strides("f", {2, 3}, {3, 1}, {3}); });
  EXPECT_NE(error_of(ErrorCode::kShape,
                     [] {
                       broadcast_strides("f", {2, 3}, {3, 1}, {5, 4, 3});
                     })
                .find("axis -2 is 2, not 1 or 4"),
            std::string::npos);
}

TEST(ResolveShape, FindsTheOneUnknownSize) {
  EXPECT_EQ(resolve_shape("f", {2, -1}, 6), (Dims{2, 3}));
  EXPECT_EQ(resolve_shape("f", {-1}, 0), (Dims{0}));
  EXPECT_EQ(resolve_shape("f", {}, 1), Dims());
  EXPECT_EQ(resolve_shape("f", {0, 5}, 0), (Dims{0, 5}));
  EXPECT_EQ(resolve_shape("f", {-1, 5}, 0), (Dims{0, 5}));
  for (const Dims& wrong : {Dims{-1, -1}, Dims{4, -1}, Dims{7}, Dims{-2}, Dims{-1, 0},
                            Dims{INT64_MAX, INT64_MAX}, Dims{}}) {
    error_of(ErrorCode::kShape, [&] { resolve_shape("f", wrong, 6); });
  }
  error_of(ErrorCode::kShape, [] { resolve_shape("f", {-1, 0}, 0); });  // any size would do
}

}  // namespace
}  // namespace tenon
