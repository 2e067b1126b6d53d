// Proves that initialisers have the spread that their papers ask for and depend on generator and
// shape alone.
#include "tenon/nn/init.h"

#include <cmath>

#include "core/nn/layer_testing.h"

namespace tenon::nn {
namespace {

struct Moments {
  double mean = 0, stddev = 0, largest = 0;
};

Moments moments(const Tensor& t) {
  Moments m;
  const std::vector<double> v = values(t);
  for (double x : v) m.mean += x / static_cast<double>(v.size());
  for (double x : v) {
    m.stddev += (x - m.mean) * (x - m.mean) / static_cast<double>(v.size());
    m.largest = std::max(m.largest, std::abs(x));
  }
  m.stddev = std::sqrt(m.stddev);
  return m;
}

// 40,000 numbers: their mean is within 5 / 200 standard deviations, their spread within 2 %.
void expect_spread(const Tensor& t, double mean, double stddev) {
  const Moments m = moments(t);
  EXPECT_NEAR(m.mean, mean, 0.025 * stddev);
  EXPECT_NEAR(m.stddev, stddev, 0.02 * stddev);
}

TEST(InitTest, SpreadsAreAsPublished) {
  Generator g(11);
  Tensor w = zeros(Dims{100, 400}).to(test_device());
  w.requires_grad_();
  init::kaiming_uniform_(w, init::kReluGain, g);
  expect_spread(w, 0, std::sqrt(2.0 / 400));
  EXPECT_LE(moments(w).largest, std::sqrt(6.0 / 400) * (1 + 1e-6));
  init::kaiming_normal_(w, 1, g);
  expect_spread(w, 0, std::sqrt(1.0 / 400));
  EXPECT_GT(moments(w).largest, std::sqrt(6.0 / 400));
  init::xavier_uniform_(w, 1, g);
  expect_spread(w, 0, std::sqrt(2.0 / 500));
  EXPECT_LE(moments(w).largest, std::sqrt(6.0 / 500) * (1 + 1e-6));
  init::xavier_normal_(w, 2, g);
  expect_spread(w, 0, 2 * std::sqrt(2.0 / 500));
  init::uniform_(w, 2, 5, g);
  expect_spread(w, 3.5, 3 / std::sqrt(12.0));
  init::normal_(w, -1, 0.5, g);
  expect_spread(w, -1, 0.5);
  init::zeros_(w);
  EXPECT_EQ(moments(w).largest, 0);
  init::ones_(w);
  EXPECT_EQ(moments(w).largest, 1);
  EXPECT_NEAR(moments(w).mean, 1, 1e-9);
  EXPECT_TRUE(w.is_leaf() && w.requires_grad());
}

TEST(InitTest, FansCountTheRestOfTheAxes) {
  Generator g(12);
  Tensor w = zeros(Dims{20, 50, 5, 8}).to(test_device());  // fan in 2000, fan out 800
  init::kaiming_normal_(w, 1, g);
  expect_spread(w, 0, std::sqrt(1.0 / 2000));
  init::xavier_normal_(w, 1, g);
  expect_spread(w, 0, std::sqrt(2.0 / 2800));
  Tensor v = zeros(Dims{5}).to(test_device());
  const std::string what = error_of(ErrorCode::kShape, [&] { init::xavier_uniform_(v, 1, g); });
  EXPECT_TRUE(has(what, "xavier_uniform_: a tensor of shape [5] has no fan")) << what;
}

TEST(InitTest, SameGeneratorSameNumbers) {
  Generator a(13), b(13);
  Tensor x = zeros(Dims{30, 40}).to(test_device());
  Tensor y = zeros(Dims{40, 30}).transpose();  // another layout, on the cpu
  init::kaiming_uniform_(x, 1, a);
  init::kaiming_uniform_(y, 1, b);
  EXPECT_EQ(values(x), values(y));
  const std::vector<double> first = values(x);
  init::kaiming_uniform_(x, 1, a);
  EXPECT_NE(values(x), first);
}

}  // namespace
}  // namespace tenon::nn
