#include "tenon/base/error.h"

#include <string>

#include "gtest/gtest.h"

namespace tenon {
namespace {

TEST(Error, CarriesCodeOperationAndText) {
  try {
    fail(ErrorCode::kShape, "matmul", "inner sizes ", 3, " and ", int64_t{-4}, " differ; x is ",
         0.1, ' ', true);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kShape);
    EXPECT_EQ(e.operation(), "matmul");
    EXPECT_STREQ(e.what(), "matmul: inner sizes 3 and -4 differ; x is 0.1 true");
    return;
  }
  FAIL() << "nothing was thrown";
}

TEST(Error, AFailedAssertionSaysWhereAndIsAnError) {
  try {
    TENON_ASSERT(1 + 1 == 3);
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("1 + 1 == 3"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("error_test.cc"), std::string::npos);
    return;
  }
  FAIL() << "nothing was thrown";
}

}  // namespace
}  // namespace tenon
