// TENON_CHECK_ALIAS=1: a write behind Tenon's back to a value that backward needs is an error, not
// a wrong gradient; everything allowed stays allowed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/dlpack.h"
#include "tenon/interop/doors.h"
#include "tenon/interop/memory.h"
#include "tenon/tenon.h"

namespace tenon {
namespace {

using interop::NdArray;
using interop::crafted::error_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

class AliasCheck : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { setenv("TENON_CHECK_ALIAS", "1", 1); }  // read once, later
};

const auto kNoticed = AllOf(
    HasSubstr("multiply: one of the variables needed for gradient computation has been modified "
              "by an inplace operation"),
    HasSubstr("last written by code outside of Tenon, through memory shared with it"));

TEST_F(AliasCheck, WritesThroughEveryDoorAreNoticed) {
  for (int64_t n : {3, 5000}) {
    const int64_t shape[] = {n};
    const auto gradient_after = [&](auto share_and_write) {
      Tensor x = ones(shape);
      x.requires_grad_();
      Tensor w = ones(shape);
      const Tensor y = sum(x * w);
      share_and_write(w);
      return error_of([&] { y.backward(); });
    };
    EXPECT_THAT(gradient_after([](Tensor& w) { to_numpy(w).mutable_values<float>()[1] = 100; }),
                kNoticed);
    EXPECT_THAT(gradient_after(
                    [](Tensor& w) { static_cast<float*>(to_dlpack(w)->dl_tensor.data)[1] = 100; }),
                kNoticed);
    EXPECT_THAT(
        gradient_after([](Tensor& w) { static_cast<float*>(borrow_dlpack(w).data)[1] = 100; }),
        kNoticed);
    EXPECT_EQ(gradient_after([](Tensor& w) { to_numpy(w).at<float>({1}); }), "");
    EXPECT_EQ(gradient_after([](Tensor& w) {
                static_cast<float*>(to_dlpack(w, {.copy = true})->dl_tensor.data)[1] = 100;
              }),
              "");
  }
}

TEST_F(AliasCheck, MemoryTakenInIsWatchedToo) {
  NdArray a = NdArray::from_vector<float>({3}, {1, 2, 3});
  Tensor x = ones({3});
  x.requires_grad_();
  const Tensor y = sum(x * from_numpy(a));
  a.set<float>({0}, 9);
  EXPECT_THAT(error_of([&] { y.backward(); }), kNoticed);
}

TEST_F(AliasCheck, WhatIsAllowedStaysAllowed) {
  Tensor w = ones({3});
  NdArray a = to_numpy(w);
  a.set<float>({0}, 5);  // before anything is saved
  Tensor x = ones({3});
  x.requires_grad_();
  const Tensor y = sum(x * w);
  y.backward();
  EXPECT_EQ(x.grad().text(), "tensor([5., 1., 1.])");
  a.set<float>({1}, 7);  // between two graphs
  x.set_grad(Tensor());
  const Tensor z = sum(x * w);
  {
    const NoGradScope no_grad;
    Tensor other = ones({3});
    other.fill_(2);  // a write elsewhere
  }
  z.backward();
  EXPECT_EQ(x.grad().text(), "tensor([5., 7., 1.])");
}

// Saved twice with a write between: the second save is sound, the first is not.
TEST_F(AliasCheck, EachRecordIsJudgedByItsOwnMoment) {
  Tensor w = ones({3});
  NdArray a = to_numpy(w);
  Tensor x = ones({3});
  x.requires_grad_();
  const Tensor first = sum(x * w);
  a.set<float>({0}, 5);
  const Tensor second = sum(x * w);
  EXPECT_THAT(error_of([&] { first.backward(); }), kNoticed);
  second.backward();
  EXPECT_EQ(x.grad().text(), "tensor([5., 1., 1.])");
}

TEST_F(AliasCheck, OutputsThatAreSavedCount) {
  Tensor x = ones({3});
  x.requires_grad_();
  const Tensor e = exp(x);
  to_numpy(e, /*force=*/true).mutable_values<float>()[0] = 0;
  EXPECT_THAT(error_of([&] { e.sum().backward(); }),
              HasSubstr("exp: one of the variables needed for gradient computation"));
}

TEST_F(AliasCheck, StorageThatDiedIsForgotten) {
  for (int i = 0; i < 1000; ++i) {
    Tensor t = full({3}, double(i), DType::float32);
    to_numpy(t).mutable_values<float>()[0] = -1;
    t = Tensor();
    Tensor x = ones({3});
    x.requires_grad_();
    (x * full({3}, 2.0, DType::float32)).sum().backward();
    ASSERT_EQ(x.grad().text(), "tensor([2., 2., 2.])");
  }
}

}  // namespace
}  // namespace tenon
