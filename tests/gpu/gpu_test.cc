// What only a real asynchronous device shows: streams that overlap, memory under pressure, results
// that do not depend on when blocks run. On TENON_TEST_DEVICE; with few elements on anything but a
// GPU.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tenon/nn/optimizer.h"
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

void expect_near(const Tensor& there, const Tensor& here, double bound, const std::string& what) {
  const Tensor a = there.cpu().to(DType::float64), b = here.to(DType::float64);
  ASSERT_EQ(a.size(), b.size());
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    ASSERT_NEAR(x, y, bound * (1 + std::abs(y))) << what << ", element " << i;
  }
}

// Softmax, cross entropy and layer norm with their gradients, as the host has them: short rows and
// long ones, those that are aligned and those that are not, along both axes.
TEST(Gpu, RowsAreTheHosts) {
  const Device device = test_device();
  struct Results {
    std::vector<std::pair<std::string, Tensor>> all;
  };
  const auto compute = [](const Tensor& host_x, Device on, int64_t axis) {
    Results r;
    const Tensor x = host_x.to(on).detach().requires_grad_(), c = host_x.to(on) * 0.5 + 1;
    const auto add = [&](const std::string& name, const Tensor& y) {
      Tensor leaf = x;
      leaf.set_grad(Tensor());
      sum(y * c).backward();
      r.all.emplace_back(name, y.detach());
      r.all.emplace_back(name + "'s gradient", x.grad());
    };
    add("softmax", softmax(x, axis));
    add("log_softmax", log_softmax(x, axis));
    const int64_t n = x.shape()[1];
    const Tensor weight = arange(0, n).to(x.dtype()).to(on) / static_cast<double>(n) + 0.5;
    add("layer_norm", layer_norm(x, DimsView(&n, 1), weight, weight));
    const Tensor targets = arange(0, x.shape()[0]).to(on);
    Tensor leaf = x;
    leaf.set_grad(Tensor());
    const Tensor loss = cross_entropy(x, targets);
    loss.backward();
    r.all.emplace_back("cross_entropy", loss.detach());
    r.all.emplace_back("cross_entropy's gradient", x.grad());
    return r;
  };
  for (const auto& [dtype, bound] :
       {std::pair{DType::float32, 2e-5}, {DType::bfloat16, 3e-2}, {DType::float64, 1e-12}}) {
    for (const int64_t length : {10, 127, 512, 1000, 4096, 20'000, 20'001}) {
      if (std::getenv("TENON_TEST_SMALL") && length > 5000) continue;
      Generator generator(static_cast<uint64_t>(length));
      const Tensor x = normal({9, length}, 0, 1, DType::float32, Device(), generator).to(dtype);
      for (const int64_t axis : {0, 1}) {
        const Results here = compute(x, Device(), axis), there = compute(x, device, axis);
        for (size_t i = 0; i < here.all.size(); ++i) {
          ASSERT_NO_FATAL_FAILURE(expect_near(there.all[i].second, here.all[i].second, bound,
                                              here.all[i].first + " of " + std::to_string(length) +
                                                  " " + std::string(dtype_name(dtype)) +
                                                  " along axis " + std::to_string(axis)));
        }
      }
    }
  }
}

// Many parameters in one launch, and more than fit into one.
TEST(Gpu, AStepOfAllParametersIsTheHosts) {
  const Device device = test_device();
  const auto train = [](Device on) {
    std::vector<Tensor> parameters;
    for (int64_t i = 0; i < 70; ++i) {
      Generator generator(static_cast<uint64_t>(i));
      parameters.push_back(normal({i * i + 1}, 0, 1, DType::float32, Device(), generator).to(on));
      parameters.back().requires_grad_();
    }
    nn::AdamW optimizer(parameters);
    for (int step = 0; step < 5; ++step) {
      for (Tensor& p : parameters) p.set_grad((p.detach() * 2) + 0.25);
      optimizer.step();
    }
    return parameters;
  };
  const std::vector<Tensor> here = train(Device()), there = train(device);
  for (size_t i = 0; i < here.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(
        expect_near(there[i].detach(), here[i].detach(), 1e-6, "parameter " + std::to_string(i)));
  }
}

}  // namespace
}  // namespace tenon
