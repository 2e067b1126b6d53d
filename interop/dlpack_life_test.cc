// Lifetimes: destruction in every order, across threads, and memory flat over a million
// conversions, refused ones included. Run it under --config=asan and tsan, too.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/dlpack.h"
#include "tenon/interop/doors.h"
#include "tenon/interop/memory.h"

namespace tenon {
namespace {

using dlpack::DLManagedTensorVersioned;

TEST(DlpackLife, AnyOrderOfDestruction) {
  std::atomic<int> freed = 0;
  for (int order = 0; order < 6; ++order) {
    for (size_t n : {size_t{3}, size_t{100000}}) {  // in the tensor's block, and from the cache
      const int before = freed;
      auto* buffer = new float[n]();
      Tensor t = from_pointer(buffer, {static_cast<int64_t>(n)}, {}, [buffer, &freed] {
        ++freed;
        delete[] buffer;
      });
      DlpackVersioned out = to_dlpack(t);
      Tensor back = from_dlpack(to_dlpack_unversioned(t).release());
      static_cast<float*>(out->dl_tensor.data)[1] = 5;
      EXPECT_EQ(back.at({1}).item(), 5);
      interop::NdArray array = to_numpy(back);
      const auto drop = [&](int which) {
        if (which == 0) t = Tensor();
        if (which == 1) out.reset();
        if (which == 2) back = Tensor();
      };
      constexpr int kOrders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
      for (int which : kOrders[order]) drop(which);
      EXPECT_EQ(freed, before) << "the array still lives";
      EXPECT_EQ(array.at<float>({1}), 5);
      array = {};
      EXPECT_EQ(freed, before + 1);
    }
  }
}

TEST(DlpackLife, TensorsOwnMemoryOutlivesTheTensor) {
  DlpackVersioned small = to_dlpack(ones({2})), large = to_dlpack(ones({1 << 18}));
  EXPECT_EQ(static_cast<float*>(small->dl_tensor.data)[1], 1);
  EXPECT_EQ(static_cast<float*>(large->dl_tensor.data)[(1 << 18) - 1], 1);
}

// A struct within a struct within a struct: the innermost is released when the last is.
TEST(DlpackLife, Chains) {
  std::atomic<int> freed = 0;
  float value = 3;
  Tensor t = from_pointer(&value, {1}, {}, [&freed] { ++freed; });
  for (int i = 0; i < 1000; ++i) t = from_dlpack(to_dlpack(t).release());
  EXPECT_EQ(freed, 0);
  EXPECT_EQ(t.item(), 3);
  t = Tensor();
  EXPECT_EQ(freed, 1);
}

TEST(DlpackLife, ExportOnOneThreadReleaseOnAnother) {
  constexpr int kThreads = 4, kEach = 500;
  const Tensor shared = ones({64});
  std::atomic<int> freed = 0;
  std::vector<DLManagedTensorVersioned*> exported(kThreads * kEach);
  const auto run = [](auto&& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([&body, i] { body(i); });
    for (std::thread& t : threads) t.join();
  };
  run([&](int me) {
    for (int i = 0; i < kEach; ++i) {
      auto* own = new float[4]{1, 2, 3, 4};
      const Tensor t = i % 2 == 0 ? shared : from_pointer(own, {4}, {}, [own, &freed] {
        ++freed;
        delete[] own;
      });
      if (i % 2 == 0) delete[] own;
      exported[static_cast<size_t>(me) * kEach + static_cast<size_t>(i)] = to_dlpack(t).release();
    }
  });
  std::atomic<int> sum = 0;
  run([&](int me) {  // each takes over what the next one exported
    for (int i = 0; i < kEach; ++i) {
      auto* m = exported[static_cast<size_t>((me + 1) % kThreads) * kEach + static_cast<size_t>(i)];
      const Tensor t = from_dlpack(m);
      sum += static_cast<int>(t.at({0}).item());
    }
  });
  EXPECT_EQ(sum, kThreads * kEach);
  EXPECT_EQ(freed, kThreads * kEach / 2);
}

// Bytes in use on the heap after `body` ran often, less those after it ran a little.
template <class Body>
long growth(int times, Body body) {
  for (int i = 0; i < 1000; ++i) body();
  const struct mallinfo2 before = mallinfo2();
  for (int i = 0; i < times; ++i) body();
  const struct mallinfo2 after = mallinfo2();
  return static_cast<long>(after.uordblks + after.hblkhd) -
         static_cast<long>(before.uordblks + before.hblkhd);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kTimes = 20000;
#else
constexpr int kTimes = 1000000;
#endif

template <class Call>
void refused(Call call) {
  try {
    call();
  } catch (const Error&) {
    return;
  }
  std::abort();
}

TEST(DlpackLife, MemoryIsFlatOverAMillionConversionsOfEachKind) {
  const Tensor t = ones({4, 5});
  const interop::NdArray array = interop::NdArray::zeros(DType::float32, {4, 5});
  std::vector<float> buffer(20);
  EXPECT_EQ(growth(kTimes, [&] { to_dlpack(t); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { to_dlpack_unversioned(t); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { from_dlpack(to_dlpack(t).release()); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { from_dlpack(to_dlpack_unversioned(t).release()); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { to_dlpack(t, {.copy = true}); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { from_dlpack(to_dlpack(t).release(), {.copy = true}); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { from_numpy(array); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { to_numpy(t); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { tensor(array); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { as_tensor(array, {.dtype = DType::float64}); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { from_span(std::span(buffer)); }), 0);
  EXPECT_EQ(growth(kTimes, [&] { from_vector(std::vector<float>(20)); }), 0);
}

TEST(DlpackLife, MemoryIsFlatOverRefusals) {
  constexpr int kErrors = kTimes / 10;  // an exception costs a microsecond or more
  Tensor t = ones({4, 5});
  t.requires_grad_();
  const Tensor plain = ones({4, 5});
  std::vector<float> buffer(20);
  const DlpackVersioned wrong = to_dlpack(plain);
  wrong->dl_tensor.dtype.lanes = 3;
  EXPECT_EQ(growth(kErrors, [&] { refused([&] { to_dlpack(t); }); }), 0);
  EXPECT_EQ(growth(kErrors, [&] { refused([&] { from_dlpack(wrong.get()); }); }), 0);
  wrong->dl_tensor.dtype.lanes = 1;
  wrong->dl_tensor.strides[0] = INT64_MAX;
  EXPECT_EQ(growth(kErrors, [&] { refused([&] { from_dlpack(wrong.get()); }); }), 0);
  EXPECT_EQ(growth(kErrors, [&] { refused([&] { to_numpy(t); }); }), 0);
  EXPECT_EQ(growth(kErrors, [&] { refused([&] { from_span(std::span(buffer), {3}); }); }), 0);
  const interop::NdArray swapped = interop::NdArray::over(
      {.data = buffer.data(), .dtype = DType::float32, .shape = {20}, .byte_swapped = true});
  EXPECT_EQ(growth(kErrors, [&] { refused([&] { from_numpy(swapped); }); }), 0);
  wrong->dl_tensor.strides[0] = 5;
}

}  // namespace
}  // namespace tenon
