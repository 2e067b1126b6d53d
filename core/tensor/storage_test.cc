// Who owns the bytes and until when: memory of others, embedded storage, views that outlive
// everything, other threads.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

// Memory that somebody else owns, and how often it was released, and where.
struct Owner {
  std::vector<double> data;
  std::atomic<int> released{0};
  std::thread::id by;
  explicit Owner(size_t n) : data(n) {
    for (size_t i = 0; i < n; ++i) data[i] = static_cast<double>(i);
  }
  static void release(void* context) {
    auto* owner = static_cast<Owner*>(context);
    owner->by = std::this_thread::get_id();
    ++owner->released;
  }
  Tensor tensor(DimsView shape, DimsView strides, int64_t first = 0, bool read_only = false) {
    return from_memory(data.data() + first, DType::float64, shape, strides, read_only,
                       &Owner::release, this);
  }
};

TEST(FromMemory, SharesInBothDirections) {
  Owner owner(6);
  {
    Tensor t = owner.tensor({2, 3}, {3, 1});
    EXPECT_EQ(t.raw_data(), owner.data.data());
    owner.data[4] = 40;
    expect_values(t, {0, 1, 2, 3, 40, 5});
    t.at({1, 2}).fill_(50);
    EXPECT_EQ(owner.data[5], 50);
    EXPECT_EQ(t.version(), 1u);
    EXPECT_EQ(owner.released, 0);
  }
  EXPECT_EQ(owner.released, 1);
}

TEST(FromMemory, AnyStrides) {
  Owner owner(12);
  expect_values(owner.tensor({3, 4}, {1, 3}), {0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11});
  const Tensor back = owner.tensor({3, 4}, {-4, -1}, 11);
  expect_values(back, {11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  EXPECT_EQ(back.raw_data(), owner.data.data() + 11);
  expect_values(flip(back), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  expect_values(owner.tensor({2, 3}, {0, -2}, 5), {5, 3, 1, 5, 3, 1});
  expect_values(owner.tensor({}, {}, 7), {7});
  EXPECT_EQ(owner.tensor({2, 0}, {5, 5}).size(), 0);
  expect_values(owner.tensor({1}, {INT64_MAX}, 3), {3});  // a stride that nobody uses
  EXPECT_EQ(owner.released, 5) << "all but `back`";
}

TEST(FromMemory, NullReleaseIsAllowed) {
  double number = 4;
  EXPECT_EQ(from_memory(&number, DType::float64, {}, {}, false, nullptr, nullptr).item(), 4);
}

TEST(FromMemory, CallerKeepsTheMemoryWhenItIsRefused) {
  Owner owner(4);
  const std::vector<int64_t> ones(65, 1);
  error_of(ErrorCode::kShape, [&] { owner.tensor(ones, ones); });
  error_of(ErrorCode::kShape, [&] { owner.tensor({2, -1}, {1, 1}); });
  error_of(ErrorCode::kShape, [&] { owner.tensor({2, 2}, {1}); });
  error_of(ErrorCode::kShape, [&] { owner.tensor({INT64_MAX, INT64_MAX}, {1, 1}); });
  error_of(ErrorCode::kShape, [&] { owner.tensor({INT64_MAX}, {INT64_MAX}); });
  EXPECT_EQ(owner.released, 0);
}

TEST(FromMemory, ReleasedOnceInTheWorstOrder) {
  Owner owner(24);
  Tensor last;
  {
    const Tensor t = owner.tensor({2, 3, 4}, {12, 4, 1});
    const Tensor a = t.at({1}), b = a.transpose(), c = flip(b), d = t.detach(), e = d.reshape({24});
    const Tensor packed = t.contiguous(), other = t.to(DType::float64), host = t.cpu();
    EXPECT_EQ(packed.raw_data(), t.raw_data());
    last = c.at({0, Slice{.step = -1}});
    Tensor copy = last;
    last = copy;
    last = std::move(copy);
    EXPECT_EQ(owner.released, 0);
  }
  EXPECT_EQ(owner.released, 0) << "a view of a view still looks";
  expect_values(last, {15, 19, 23});
  last = Tensor();
  EXPECT_EQ(owner.released, 1);
}

TEST(FromMemory, ReleasedByTheThreadThatDropsTheLastUse) {
  Owner owner(4);
  Tensor t = owner.tensor({4}, {1});
  Tensor view = slice(t, 0, 1, 3);
  t = Tensor();
  std::thread::id id;
  std::thread other([v = std::move(view), &id]() mutable {
    id = std::this_thread::get_id();
    EXPECT_EQ(v[1].item(), 2);
    v = Tensor();
  });
  other.join();
  EXPECT_EQ(owner.released, 1);
  EXPECT_EQ(owner.by, id);
}

TEST(FromMemory, AGraphHoldsItUntilItIsFreed) {
  Owner owner(3);
  Tensor w = leaf({1, 2, 3}, {3}).cpu().detach().requires_grad_();
  Tensor y;
  {
    const Tensor x = owner.tensor({3}, {1});
    y = sum(w * x);  // saves x
  }
  EXPECT_EQ(owner.released, 0);
  y.backward();
  EXPECT_EQ(owner.released, 1) << "backward frees what it saved";
  expect_values(w.grad(), {0, 1, 2});

  Owner kept(3);
  y = sum(w * kept.tensor({3}, {1}));
  EXPECT_EQ(kept.released, 0);
  y = Tensor();
  EXPECT_EQ(kept.released, 1) << "so does dropping the graph";
}

TEST(FromMemory, ASavedOutputIsNoCycle) {
  // exp saves its own output; x.exp_() makes memory that we can watch that output.
  Owner owner(3);
  {
    Tensor w = zeros({3}, DType::float64).requires_grad_();
    Tensor x = owner.tensor({3}, {1});
    x.copy_(w);
    exp_(x);
    EXPECT_STREQ(x.grad_fn_name(), "exp");
    Tensor view = x.at({Slice{.start = 1}});
    exp_(view);
    EXPECT_EQ(owner.released, 0);
  }
  EXPECT_EQ(owner.released, 1);
}

TEST(FromMemory, ReadOnlyGoesWithEveryViewButNotWithAClone) {
  Owner owner(6);
  const Tensor t = owner.tensor({2, 3}, {3, 1}, 0, true);
  const Tensor views[] = {t,
                          t.at({0}),
                          t.transpose(),
                          flip(t),
                          t.reshape({6}),
                          t.broadcast_to({4, 2, 3}),
                          expand_dims(t, 0),
                          squeeze(t),
                          t.detach(),
                          t.contiguous(),
                          t.cpu(),
                          t.to(DType::float64)};
  for (const Tensor& v : views) EXPECT_TRUE(v.read_only()) << v.text();
  EXPECT_FALSE(t.clone().read_only());
  EXPECT_FALSE(t.to(DType::float64, true).read_only());
  EXPECT_FALSE(t.to(Device(), true).read_only());
  EXPECT_FALSE(t.transpose().contiguous().read_only());
  EXPECT_FALSE((t + 1).read_only());
}

TEST(FromMemory, ReadOnlyIsHonouredByEveryWrite) {
  struct Write {
    const char* name;
    void (*call)(Tensor& x);
  };
  const Write writes[] = {
#define TENON_UNARY(name, ...) {#name "_", [](Tensor& x) { name##_(x); }},
#define TENON_BINARY(name, ...) {#name "_", [](Tensor& x) { name##_(x, x); }},
#define TENON_TERNARY(...)
#include "tenon/ops/elementwise.def"
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY
      {"add_", [](Tensor& x) { x += 1; }},
      {"subtract_", [](Tensor& x) { x -= x; }},
      {"multiply_", [](Tensor& x) { x *= 2.0; }},
      {"divide_", [](Tensor& x) { x /= x; }},
      {"copy_", [](Tensor& x) { x.copy_(ones({6}, DType::float64)); }},
      {"fill_", [](Tensor& x) { x.fill_(3); }},
      {"fill_", [](Tensor& x) { x.zero_(); }},
      {"mutable_data", [](Tensor& x) { x.mutable_data<double>(); }},
      {"twice",
       [](Tensor& x) {
         const Fused twice = fuse(
             "twice", 1, 1, [](const map::Value* in, map::Value* out) { out[0] = in[0] + in[0]; });
         const Operand operands[] = {x};
         twice.run_inplace(std::span<Tensor>(&x, 1), operands);
       }},
  };
  Owner owner(6);
  const std::vector<double> before = owner.data;
  for (bool no_grad : {false, true}) {
    for (const Write& w : writes) {
      Tensor x = owner.tensor({6}, {1}, 0, true).at({Slice{}});
      std::unique_ptr<NoGradScope> scope(no_grad ? new NoGradScope : nullptr);
      const std::string text = error_of(ErrorCode::kReadOnly, [&] { w.call(x); });
      EXPECT_EQ(text.rfind(std::string(w.name) + ":", 0), 0u) << text;
      EXPECT_TRUE(has(text, "read-only") && has(text, "float64[6]") && has(text, "clone()"))
          << text;
      EXPECT_EQ(x.version(), 0u) << w.name;
    }
  }
  EXPECT_EQ(owner.data, before);
}

TEST(Storage, AViewOutlivesTheTensorWithItsBytesInside) {
  Tensor view;
  {
    const Tensor small = counting({4, 4}, DType::float32);
    view = small.at({2, Slice{.step = -2}});
  }
  std::vector<Tensor> churn;  // would take the block if it were free
  for (int i = 0; i < 2000; ++i) churn.push_back(full({128}, -1, DType::float32, test_device()));
  expect_values(view, {11, 9});
}

TEST(Storage, BlocksReturnOnAnyThread) {
  std::vector<std::thread> threads;
  std::vector<Tensor> handed(8);
  for (size_t k = 0; k < 8; ++k) {
    threads.emplace_back([&handed, k] {
      std::vector<Tensor> many;
      for (int i = 0; i < 3000; ++i)
        many.push_back(full({1 + i % 200}, i, DType::float32, test_device()));
      handed[k] = many[100 * k + 5].at({Slice{.stop = 1}});
    });
  }
  for (std::thread& t : threads) t.join();
  for (size_t k = 0; k < 8; ++k) EXPECT_EQ(handed[k].item(), 100.0 * static_cast<double>(k) + 5);
}

TEST(Storage, HandlesAreCopiedAndDroppedByManyThreads) {
  Owner owner(64);
  Tensor shared = owner.tensor({64}, {1});
  std::vector<std::thread> threads;
  for (int k = 0; k < 8; ++k) {
    threads.emplace_back([shared, k] {
      for (int i = 0; i < 5000; ++i) {
        // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): what is tested
        const Tensor copy = shared, view = slice(copy, 0, i % 60);
        ASSERT_EQ(view[k % 4].item(), i % 60 + k % 4);
      }
    });
  }
  shared = Tensor();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(owner.released, 1);
}

TEST(Storage, SelfAssignment) {
  Tensor t = make({1, 2});
  Tensor& same = t;
  t = same;
  expect_values(t, {1, 2});
  t = std::move(same);
  expect_values(t, {1, 2});
}

TEST(Data, IsCheckedAndCounted) {
  Tensor t = counting({3}, DType::float32);
  error_of(ErrorCode::kDType, [&] { (void)t.data<double>(); });
  if (!test_device().host_addressable()) {
    EXPECT_TRUE(has(error_of(ErrorCode::kDevice, [&] { (void)t.data<float>(); }), "cpu()"));
    t = t.cpu();
  }
  EXPECT_EQ(t.version(), 0u);
  t.mutable_data<float>()[1] = 5;
  EXPECT_EQ(t.version(), 1u);
  EXPECT_EQ(slice(t, 0, 1).data<float>()[0], 5);
}

}  // namespace
}  // namespace tenon
