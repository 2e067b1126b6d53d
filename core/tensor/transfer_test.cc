// Moves between devices: from and into pinned memory without waiting, to a second device of the
// same backend, and what outlives what while copies are in flight.
#include <gtest/gtest.h>

#include <numeric>

#include "tenon/device/backend.h"
#include "tenon/device/device_state.h"
#include "tenon/device/stream.h"
#include "tenon/tenon.h"
#include "tests/plugins/simdev/simdev_ops.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

std::vector<float> numbers(int64_t n, float first = 0) {
  std::vector<float> v(static_cast<size_t>(n));
  std::iota(v.begin(), v.end(), first);
  return v;
}

Tensor on_host(int64_t n, float first = 0) {
  const std::vector<float> v = numbers(n, first);
  return tensor(std::span<const float>(v), {n});
}

bool has_pinned() { return test_device().state().tables->memory.pinned_alloc != nullptr; }

// Stops a simdev stream before its next operation, so that "in flight" does not depend on time.
class Held {
 public:
  explicit Held(StreamState& stream) : stream_(stream) {
    const auto query = stream.device.tables->query_extension;
    ops_ = query ? static_cast<const SimdevOps*>(query("tenon.simdev", 1)) : nullptr;
    if (ops_) ops_->hold(stream_.device.handle, stream_.handle, 1);
  }
  ~Held() { release(); }
  bool works() const { return ops_ != nullptr; }
  void release() {
    if (ops_) ops_->hold(stream_.device.handle, stream_.handle, 0);
  }

 private:
  StreamState& stream_;
  const SimdevOps* ops_;
};

TEST(Transfer, PinMemoryCopiesOnceAndIsDifferentiable) {
  const Tensor x = on_host(5).requires_grad_();
  EXPECT_FALSE(x.is_pinned());
  if (!has_pinned()) {
    const std::string why = error_of(ErrorCode::kUnsupported, [&] { x.pin_memory(test_device()); });
    EXPECT_NE(why.find("no pinned host memory"), std::string::npos) << why;
    return;
  }
  const Tensor p = x.pin_memory(test_device());
  EXPECT_TRUE(p.is_pinned());
  EXPECT_EQ(p.device(), Device());
  EXPECT_FALSE(p.shares_storage_with(x));
  EXPECT_TRUE(p.pin_memory(test_device()).shares_storage_with(p));
  EXPECT_EQ(values(p), values(x));
  sum(p * p).backward();
  expect_values(x.grad(), {0, 2, 4, 6, 8});
  EXPECT_EQ(zeros({0, 3}).pin_memory(test_device()).size(), 0);
  EXPECT_EQ(values(on_host(6).reshape({2, 3}).transpose().pin_memory(test_device())),
            (std::vector<double>{0, 3, 1, 4, 2, 5}));
}

TEST(Transfer, OnlyHostTensorsArePinned) {
  if (test_device() == Device()) GTEST_SKIP() << "needs a device with memory of its own";
  error_of(ErrorCode::kDevice, [&] { on_host(2).to(test_device()).pin_memory(test_device()); });
}

TEST(Transfer, NonBlockingGivesTheSameValues) {
  for (int64_t n : {0, 1, 7, 100000}) {
    const Tensor x = on_host(n);
    const Tensor there = x.to(test_device(), false, true);
    const Tensor back = there.to(Device(), false, true);
    synchronize(test_device());
    EXPECT_EQ(values(back), values(x)) << n;
    EXPECT_EQ(values(there + there), values(x + x)) << n;
  }
}

TEST(Transfer, NonBlockingDoesNotWait) {
  Held held(current_stream(test_device().state()));
  if (!held.works()) GTEST_SKIP() << "only simdev's streams can be held";
  // Were any of these to wait, the test would never end.
  Tensor there, back;
  {
    const Tensor x = on_host(1000).pin_memory(test_device());
    there = x.to(test_device(), false, true);
    back = there.to(Device(), false, true);
  }  // the source goes while its copy is in flight
  EXPECT_TRUE(back.is_pinned());
  // Memory that takes the source's place, if it was freed too early.
  std::vector<Tensor> others;
  for (int i = 0; i < 4; ++i) others.push_back(on_host(1000, 5000).pin_memory(test_device()));
  held.release();
  synchronize(test_device());
  EXPECT_EQ(values(back), values(on_host(1000)));
  EXPECT_EQ(values(there), values(on_host(1000)));
}

TEST(Transfer, TheDestinationMayGoFirst) {
  Held held(current_stream(test_device().state()));
  if (!held.works()) GTEST_SKIP() << "only simdev's streams can be held";
  std::vector<Tensor> others;
  {
    const Tensor there = on_host(1000).to(test_device(), false, true);
    there.to(Device(), false, true);
  }
  for (int i = 0; i < 4; ++i) others.push_back(on_host(1000, 7).pin_memory(test_device()));
  held.release();
  synchronize(test_device());
  // The abandoned copy has not written into what came after it.
  for (const Tensor& t : others) EXPECT_EQ(values(t), values(on_host(1000, 7)));
}

TEST(Transfer, PinnedMemoryIsReused) {
  if (!has_pinned()) GTEST_SKIP() << "no pinned memory";
  const void* first;
  {
    const Tensor p = on_host(3000).pin_memory(test_device());
    first = p.raw_data();
  }
  EXPECT_EQ(on_host(2990).pin_memory(test_device()).raw_data(), first);
}

TEST(Transfer, ManyInFlightOnSeveralStreams) {
  std::vector<Tensor> back;
  std::vector<Stream> streams;
  for (int s = 0; s < 3; ++s) streams.emplace_back(test_device());
  for (int i = 0; i < 60; ++i) {
    const StreamScope scope(streams[static_cast<size_t>(i % 3)]);
    const Tensor there = on_host(100 + i, static_cast<float>(i)).to(test_device(), false, true);
    back.push_back((there + 1).to(Device(), false, true));
  }
  synchronize(test_device());
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(values(back[static_cast<size_t>(i)]),
              values(on_host(100 + i, static_cast<float>(i + 1))));
  }
}

TEST(Transfer, GradientsComeBack) {
  const Tensor x = on_host(4).requires_grad_();
  const Tensor y = x.to(test_device(), false, true);
  sum(y * y).backward();
  synchronize(test_device());
  expect_values(x.grad(), {0, 2, 4, 6});
}

TEST(Transfer, ToASecondDevice) {
  const std::string other = std::string(test_device().backend()) + ":1";
  if (device_count(test_device().backend()) < 2) GTEST_SKIP() << "needs two devices of one backend";
  // Larger than one piece of the way through the host.
  for (int64_t n : {1, 1000, 5 << 20}) {
    const Tensor x = on_host(n).to(test_device());
    const Tensor y = (x + 1).to(Device(other));
    EXPECT_EQ(y.device(), Device(other));
    EXPECT_EQ(values(y), values(on_host(n, 1)));
  }
}

}  // namespace
}  // namespace tenon
