// What only a real asynchronous device shows: streams that overlap, memory under pressure, results
// that do not depend on when blocks run. On TENON_TEST_DEVICE; with few elements on anything but a
// GPU.
#include <gtest/gtest.h>

#include <thread>

#include "tenon/tenon.h"
#include "tests/test_device.h"

namespace tenon {
namespace {

// TENON_TEST_SMALL: the sizes for a stand-in that computes on the host.
int64_t scale(int64_t n) {
  return std::getenv("TENON_TEST_SMALL") ? std::max<int64_t>(n / 1000, 8) : n;
}

TEST(Gpu, TwoStreamsHaveTheirOwnResults) {
  const Device device = test_device();
  const int64_t n = scale(4'000'000);
  Stream first(device), second(device);
  Tensor a, b;
  {
    const StreamScope scope(first);
    a = ones({n}, DType::float32, device);
    for (int i = 0; i < 100; ++i) a = add(a, 1);
  }
  {
    const StreamScope scope(second);
    b = ones({n}, DType::float32, device);
    for (int i = 0; i < 100; ++i) b = add(b, 2);
  }
  first.synchronize();
  second.synchronize();
  EXPECT_EQ(sum(a).to(DType::float64).item<double>(), 101.0 * static_cast<double>(n));
  EXPECT_EQ(sum(b).to(DType::float64).item<double>(), 201.0 * static_cast<double>(n));
}

TEST(Gpu, OneStreamWaitsForAnother) {
  const Device device = test_device();
  const int64_t n = scale(4'000'000);
  Stream first(device), second(device);
  for (int round = 0; round < 20; ++round) {
    Tensor a, b;
    {
      const StreamScope scope(first);
      a = full({n}, 1.0, DType::float32, device);
      for (int i = 0; i < 10; ++i) a = add(a, 1);
    }
    second.wait(first.record());
    {
      const StreamScope scope(second);
      b = multiply(a, 2);
    }
    second.synchronize();
    ASSERT_EQ(b.cpu().data<float>()[n - 1], 22.0f);
  }
}

TEST(Gpu, MemoryIsReusedUnderPressure) {
  const Device device = test_device();
  const int64_t n = scale(25'000'000);  // 100 MB
  Tensor total = zeros({}, DType::float64, device);
  for (int i = 0; i < 200; ++i) {
    const Tensor t = full({n + i}, 1.0, DType::float32, device);
    total = add(total, sum(add(t, 1)).to(DType::float64));
  }
  double expected = 0;
  for (int i = 0; i < 200; ++i) expected += 2.0 * static_cast<double>(n + i);
  EXPECT_NEAR(total.item<double>(), expected, expected * 1e-6);
  EXPECT_LT(memory_stats(device).peak_in_use, 4u * 4 * static_cast<uint64_t>(n + 200) + (64u << 20))
      << "freed memory is used again";
}

TEST(Gpu, ManyThreadsComputeAtOnce) {
  const Device device = test_device();
  std::vector<std::thread> threads;
  std::vector<double> sums(8);
  for (size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([&, t] {
      const Stream stream(device);
      const StreamScope scope(stream);
      Tensor x = full({scale(100'000)}, static_cast<double>(t), DType::float64, device);
      for (int i = 0; i < 50; ++i) x = add(x, 1);
      sums[t] = mean(x).item<double>();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < sums.size(); ++t) EXPECT_EQ(sums[t], 50.0 + static_cast<double>(t));
}

TEST(Gpu, ReductionsGiveTheSameBitsEveryTime) {
  const Device device = test_device();
  const Tensor x = normal({scale(10'000'000)}, 0, 1, DType::float32, device);
  const float first = sum(x).item<float>();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(sum(x).item<float>(), first);
}

TEST(Gpu, RandomNumbersAreTheHosts) {
  const Device device = test_device();
  const int64_t n = scale(1'000'000);
  Generator here(7), there(7);
  const Tensor a = normal({n}, 0, 1, DType::float32, Device(), here),
               b = normal({n}, 0, 1, DType::float32, device, there).cpu();
  for (int64_t i = 0; i < n; ++i) ASSERT_EQ(a.data<float>()[i], b.data<float>()[i]) << i;
}

}  // namespace
}  // namespace tenon
