// parse_index(): what it understands, and that it refuses the rest.
#include "tenon/ops/index_text.h"

#include <gtest/gtest.h>

#include "tenon/ops/views.h"

namespace tenon {
namespace {

using Kind = Index::Kind;

TEST(ParseIndex, Items) {
  const auto items = parse_index(
      "[1, -2:, ::-3, ..., None, newaxis, True, 5:+7, [0, 2], [[True], [False]], Ellipsis]");
  ASSERT_EQ(items.size(), 11u);
  EXPECT_EQ(items[0].basic.integer, 1);
  EXPECT_EQ(items[1].basic.slice.start, -2);
  EXPECT_EQ(items[1].basic.slice.stop, kUnset);
  EXPECT_EQ(items[2].basic.slice.start, kUnset);
  EXPECT_EQ(items[2].basic.slice.step, -3);
  EXPECT_EQ(items[3].basic.kind, Kind::kEllipsis);
  EXPECT_EQ(items[4].basic.kind, Kind::kNewAxis);
  EXPECT_EQ(items[5].basic.kind, Kind::kNewAxis);
  EXPECT_EQ(items[6].kind, IndexItem::Kind::kBool);
  EXPECT_EQ(items[6].basic.integer, 1);
  EXPECT_EQ(items[7].basic.slice.stop, 7);
  EXPECT_EQ(items[8].tensor.dtype(), DType::int64);
  EXPECT_EQ(Dims(items[8].tensor.shape()), Dims{2});
  EXPECT_EQ(items[8].tensor.data<int64_t>()[1], 2);
  EXPECT_EQ(items[9].tensor.dtype(), DType::bool_);
  EXPECT_EQ(Dims(items[9].tensor.shape()), (Dims{2, 1}));
  EXPECT_EQ(items[10].basic.kind, Kind::kEllipsis);
}

TEST(ParseIndex, BracketsMayBeLeftOut) {
  EXPECT_EQ(parse_index("1, 2").size(), 2u);
  EXPECT_EQ(parse_index("[1, 2]").size(), 2u);
  EXPECT_EQ(parse_index(" [ [1, 2] ] ").size(), 1u);
  EXPECT_EQ(parse_index("[1, 2], 0").size(), 2u);
  EXPECT_EQ(parse_index("[[1], [2]]").size(), 2u);
  EXPECT_TRUE(parse_index("").empty());
  EXPECT_TRUE(parse_index("[]").empty());
  EXPECT_EQ(parse_index("[:,]").size(), 1u);
  EXPECT_EQ(Dims(parse_index("[[]]")[0].tensor.shape()), Dims{0});
  EXPECT_EQ(Dims(parse_index("[[[], []]]")[0].tensor.shape()), (Dims{2, 0}));
}

TEST(ParseIndex, RefusesTheRestByColumn) {
  const auto column = [](std::string_view text) -> int {
    try {
      parse_index(text);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      const std::string what = e.what();
      const size_t at = what.find("at column ");
      return at == std::string::npos ? -2 : std::atoi(what.c_str() + at + 10);
    }
    return -1;
  };
  EXPECT_EQ(column("[1, x]"), 5);
  EXPECT_EQ(column("1.5"), 2);
  EXPECT_EQ(column("[1"), 3);
  EXPECT_EQ(column("[1]]"), 4);
  EXPECT_EQ(column("1 2"), 3);
  EXPECT_EQ(column(","), 1);
  EXPECT_EQ(column("Truey"), 1);
  EXPECT_EQ(column("[[1, True]]"), 10);
  EXPECT_EQ(column("[[1, [2]]]"), 6);
  EXPECT_EQ(column("[[[2], 1]]"), 8);
  EXPECT_EQ(column("[[[1, 2], [3]]]"), 13);
  EXPECT_EQ(column("99999999999999999999"), 1);
  EXPECT_EQ(column("+-1"), 1);
  EXPECT_EQ(column("-9223372036854775808"), 1);
  EXPECT_EQ(column("1:2:3:4"), 6);
  EXPECT_EQ(column(std::string(200, '[')), 66);
}

}  // namespace
}  // namespace tenon
