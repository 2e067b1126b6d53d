// What a program outside this repository can do with the one target @tenon.
#include "gtest/gtest.h"
#include "tenon/nn/linear.h"
#include "tenon/tenon.h"

namespace {

TEST(Consumer, ComputesAndDifferentiates) {
  tenon::Tensor x = tenon::tensor({1.0f, 2.0f, 3.0f}).requires_grad_();
  tenon::sum(x * x).backward();
  EXPECT_EQ(x.grad().text(), "tensor([2., 4., 6.])");
}

TEST(Consumer, HasTheCpuBackendBuiltIn) {
  EXPECT_EQ(tenon::zeros({2}).device(), tenon::Device("cpu"));
}

TEST(Consumer, MayUseTheLayers) {
  tenon::nn::Linear layer(4, 3);
  EXPECT_EQ(layer.forward(tenon::ones({2, 4})).size(), 6);
}

TEST(Consumer, CatchesTheLibrarysErrors) {
  EXPECT_THROW(tenon::ones({2}) + tenon::ones({3}), tenon::Error);
}

}  // namespace
