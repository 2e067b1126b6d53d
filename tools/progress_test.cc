// Proves the line that Progress draws; that it draws none where stdout is no terminal is seen by
// //tests/train.
#include "tools/progress.h"

#include <gtest/gtest.h>

namespace tenon::tools {
namespace {

TEST(ProgressTest, LineFillsTheWidth) {
  EXPECT_EQ(progress_line("epoch 1/3", 0, 8, "loss 1.0", 60),
            "epoch 1/3 [>                             ]   0 %  loss 1.0");
  EXPECT_EQ(progress_line("epoch 1/3", 4, 8, "loss 1.0", 60),
            "epoch 1/3 [===============>              ]  50 %  loss 1.0");
  EXPECT_EQ(progress_line("epoch 1/3", 8, 8, "loss 1.0", 60),
            "epoch 1/3 [==============================] 100 %  loss 1.0");
  // A narrow terminal: a shorter bar, then none, then a cut.
  EXPECT_EQ(progress_line("epoch 1/3", 4, 8, "loss 1.0", 38),
            "epoch 1/3 [=====>    ]  50 %  loss 1.0");
  EXPECT_EQ(progress_line("epoch 1/3", 4, 8, "loss 1.0", 30), "epoch 1/3  50 %  loss 1.0");
  EXPECT_EQ(progress_line("epoch 1/3", 4, 8, "loss 1.0", 12), "epoch 1/3  5");
  EXPECT_EQ(progress_line("e", 1, 2, "", 0), "");
  for (int width = 0; width < 100; ++width) {
    EXPECT_LE(progress_line("epoch 1/3", 4, 8, "loss 1.0", width).size(),
              static_cast<size_t>(width));
  }
}

TEST(ProgressTest, OddSharesAreHarmless) {
  EXPECT_EQ(progress_line("x", 9, 8, "", 20), progress_line("x", 8, 8, "", 20));
  EXPECT_EQ(progress_line("x", -1, 8, "", 20), progress_line("x", 0, 8, "", 20));
  EXPECT_EQ(progress_line("x", 0, 0, "", 20), progress_line("x", 8, 8, "", 20));
}

TEST(ProgressTest, NumbersAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-100), "-100");
  EXPECT_EQ(grouped(-1000), "-1,000");
}

}  // namespace
}  // namespace tenon::tools
