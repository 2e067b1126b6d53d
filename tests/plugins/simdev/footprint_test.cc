// Proves the checks with which simdev judges core: neither blind nor too strict.
#include "tests/plugins/simdev/footprint.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace simdev {
namespace {

Footprint At(uint64_t offset, std::vector<int64_t> sizes, std::vector<int64_t> strides,
             TenonBuffer buffer = 1) {
  return MakeFootprint("it", buffer, 100, offset, TENON_F32, static_cast<uint32_t>(sizes.size()),
                       sizes.data(), strides.data());
}

TEST(Bounds, FirstAndLastByteCount) {
  EXPECT_EQ(CheckBounds(At(0, {25}, {1})), "");
  EXPECT_NE(CheckBounds(At(0, {26}, {1})), "");
  EXPECT_NE(CheckBounds(At(4, {25}, {1})), "");
  EXPECT_EQ(CheckBounds(At(96, {25}, {-1})), "");
  EXPECT_NE(CheckBounds(At(92, {25}, {-1})), "");
  EXPECT_EQ(CheckBounds(At(0, {1000}, {0})), "") << "broadcast";
  EXPECT_EQ(CheckBounds(At(0, {1, 25}, {999, 1})), "") << "a stride that is never taken";
  EXPECT_NE(CheckBounds(At(~uint64_t{0}, {1}, {1})), "");
  EXPECT_NE(CheckBounds(At(0, {INT64_MAX}, {INT64_MAX})), "") << "no overflow";
}

TEST(Aliasing, OnlyTheVerySameElements) {
  const auto check = [](const Footprint& in, const Footprint& out, bool may_alias) {
    return CheckAliasing({in, out}, 1, may_alias).empty();
  };
  EXPECT_TRUE(check(At(0, {4}, {1}), At(16, {4}, {1}), false));
  EXPECT_TRUE(check(At(0, {4}, {1}), At(0, {4}, {1}, 2), false)) << "another buffer";
  EXPECT_TRUE(check(At(0, {4}, {1}), At(0, {4}, {1}), true));
  EXPECT_FALSE(check(At(0, {4}, {1}), At(0, {4}, {1}), false));
  EXPECT_FALSE(check(At(0, {4}, {1}), At(12, {4}, {-1}), true))
      << "the same bytes in another order";
  EXPECT_FALSE(check(At(0, {4}, {1}), At(12, {4}, {1}), true)) << "one element";
  EXPECT_TRUE(check(At(0, {4}, {2}), At(4, {4}, {2}), false)) << "interleaved";
  EXPECT_TRUE(check(At(0, {2, 2}, {4, 1}), At(8, {2, 2}, {4, 1}), false))
      << "two tiles of a matrix";
  EXPECT_FALSE(check(At(0, {2, 2}, {4, 1}), At(4, {2, 2}, {4, 1}), false));
  EXPECT_TRUE(CheckAliasing({At(0, {4}, {1}), At(4, {4}, {1})}, 2, false).empty())
      << "inputs may overlap";
  EXPECT_FALSE(CheckAliasing({At(0, {4}, {1}), At(0, {4}, {1})}, 0, true).empty())
      << "outputs may not";
  EXPECT_FALSE(check(At(2, {1}, {1}), At(0, {1}, {1}), true)) << "half an element";
}

}  // namespace
}  // namespace simdev
