// Whole operations on opencl:0: random numbers are the CPU's bits, known values, two
// streams, memory, and the end of a process with work pending.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tenon/tenon.h"

namespace tenon {
namespace {

Device opencl() { return Device("opencl:0"); }

std::vector<unsigned char> bytes_of(const Tensor& t) {
  const Tensor host = t.to(Device("cpu")).contiguous();
  const auto* const data = static_cast<const unsigned char*>(host.raw_data());
  return std::vector<unsigned char>(data, data + host.size() * item_size(host.dtype()));
}

TEST(Random, TheSameBitsAsOnTheCpu) {
  for (const DType dtype : {DType::float32, DType::float64, DType::float16}) {
    std::vector<unsigned char> bits[2][3];
    for (int on = 0; on < 2; ++on) {
      const Device d = on == 0 ? Device("cpu") : opencl();
      Generator g(42);
      bits[on][0] = bytes_of(uniform({1001}, -1, 3, dtype, d, g));
      bits[on][1] = bytes_of(normal({7, 143}, 1, 2, dtype, d, g));
      bits[on][2] = bytes_of(randint({333}, -5, 17, DType::int64, d, g));
    }
    for (int k = 0; k < 3; ++k) EXPECT_EQ(bits[0][k], bits[1][k]) << "draw " << k;
  }
}

TEST(Values, OfTheTextbooks) {
  const Tensor x = tensor({0.0f, 1.0f, -2.0f, 30.0f}, opencl());
  const Tensor e = exp(x).to(Device("cpu"));
  const float expected[] = {1.0f, 2.71828183f, 0.13533528f, 1.06864746e13f};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(e.at({i}).item() / expected[i], 1, 3e-7);
  // The sum of the first n integers, over several groups and exactly.
  const Tensor n = arange(0, 100000, 1, DType::int64, opencl());
  EXPECT_EQ(sum(n).item<int64_t>(), int64_t{99999} * 100000 / 2);
  EXPECT_EQ(argmax(n).item<int64_t>(), 99999);
  const Tensor a = tensor({{1.0, 2.0}, {3.0, 4.0}}, opencl());
  const Tensor product = matmul(a, a);
  EXPECT_EQ(product.at({0, 0}).item(), 7);
  EXPECT_EQ(product.at({1, 1}).item(), 22);
  EXPECT_THROW(take(a, tensor<int64_t>({2}, opencl())), Error);
}

// The sum of 10^6 numbers over all groups is the same every time, and close to the true one.
TEST(Reduce, LargeSumsAreDeterministic) {
  Generator g(7);
  const Tensor x = uniform({1000000}, 0, 1, DType::float32, opencl(), g);
  const std::vector<unsigned char> first = bytes_of(sum(x));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bytes_of(sum(x)), first);
  const double exact = sum(x.to(Device("cpu")).astype(DType::float64)).item();
  EXPECT_NEAR(sum(x).item() / exact, 1, 1e-7);
}

TEST(Streams, EventsOrderThem) {
  const Device d = opencl();
  const Stream other(d);
  for (int round = 0; round < 20; ++round) {
    Tensor x = full({100000}, 1.0f, DType::float32, d);
    const Event made = Stream::default_of(d).record();
    Event doubled;
    Tensor y;
    {
      const StreamScope scope(other);
      other.wait(made);
      y = x + x;
      doubled = other.record();
    }
    Stream::default_of(d).wait(doubled);
    EXPECT_EQ(sum(y).item(), 200000);
  }
}

TEST(Threads, EachWithAStreamOfItsOwn) {
  std::vector<std::thread> threads;
  std::vector<double> sums(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &sums] {
      const Device d = opencl();
      const Stream own(d);
      const StreamScope scope(own);
      Tensor x = full({1000}, static_cast<float>(t), DType::float32, d);
      for (int i = 0; i < 50; ++i) x = x + 1.0f;
      sums[static_cast<size_t>(t)] = sum(x).item();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 0; t < 4; ++t) EXPECT_EQ(sums[static_cast<size_t>(t)], 1000.0 * (t + 50));
}

TEST(Memory, AbsurdRequestsAreRefusedAndTheDeviceWorksOn) {
  try {
    empty({int64_t{1} << 50}, DType::float32, opencl());
    FAIL() << "4 PiB";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kOutOfMemory) << e.what();
  }
  EXPECT_EQ(sum(full({10}, 2.0f, DType::float32, opencl())).item(), 20);
}

// A child may use the CPU, and is told about opencl; the parent goes on.
TEST(Process, AForkedChildIsToldAndTheParentGoesOn) {
  const Tensor x = full({10}, 2.0f, DType::float32, opencl());
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    bool refused = false;
    try {
      sum(x).item();
    } catch (const Error& e) {
      refused = std::strstr(e.what(), "fork") != nullptr;
    }
    const bool cpu_works = sum(full({10}, 3.0f)).item() == 30;
    _exit(refused && cpu_works ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(sum(x).item(), 20);
}

// The end of a process that waits for nothing, from the main thread and from another (exit_test.py
// has the rest).
TEST(ProcessDeathTest, ExitWithWorkPendingIsClean) {
  testing::GTEST_FLAG(death_test_style) =
      "threadsafe";  // a new process: a forked one has no OpenCL
  const auto work = [] {
    Tensor x = full({1 << 20}, 1.0f, DType::float32, opencl());
    for (int i = 0; i < 20; ++i) x = x + 1.0f;
    std::exit(7);
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(7), "");
  EXPECT_EXIT(std::thread(work).join(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace tenon
