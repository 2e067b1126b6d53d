// Graphs that are long, shared by threads, or die in any order.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

// Runs f on a thread with a stack of 256 KiB; sanitizers' frames are larger.
void on_small_stack(const std::function<void()>& f) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 2 << 20), 0);
#else
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 << 10), 0);
#endif
  pthread_t thread;
  const auto run = [](void* context) -> void* {
    (*static_cast<const std::function<void()>*>(context))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&f)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

const int kLong = test_device() == Device() ? 100000 : 10000;

TEST(LongChain, BackwardOverflowsNoStack) {
  on_small_stack([] {
    Tensor x = leaf({1}, {1});
    Tensor y = x;
    for (int i = 0; i < kLong; ++i) y = y + 1.0;
    y.backward();
    expect_values(x.grad(), {1});
  });
}

TEST(LongChain, DestructionOverflowsNoStack) {
  on_small_stack([] {
    Tensor x = leaf({1}, {1});
    {
      Tensor y = x;
      for (int i = 0; i < kLong; ++i) y = y * x;  // saves both
    }
    {
      Tensor y = x;
      for (int i = 0; i < kLong; ++i) y = sin(y);  // saved inputs hold the chain too
    }
    {
      Tensor y = x;
      for (int i = 0; i < kLong / 10; ++i)
        y = y.reshape({1, 1}).transpose()[0];  // and views their bases
    }
    {
      Tensor y = x * 1.0;
      for (int i = 0; i < kLong / 10; ++i) {  // and writes in place
        Tensor v = y[0];
        v *= x[0];
      }
    }
    EXPECT_FALSE(x.grad().defined());
  });
}

TEST(LongChain, OfSecondOrder) {
  on_small_stack([] {
    Tensor x = leaf({1}, {1});
    Tensor y = x;
    for (int i = 0; i < kLong / 20; ++i) y = sin(y) * 1.0001;
    const Tensor g = grad({y}, {x}, {.create_graph = true})[0];
    EXPECT_TRUE(std::isfinite(grad({g}, {x})[0].item()));
  });
}

TEST(LongChain, OfCustomFunctions) {
  struct Double : Function {
    std::vector<Tensor> forward(std::span<const Tensor> x) override {
      save({x[0]});
      return {x[0] * 1.0};
    }
    std::vector<Tensor> backward(std::span<const Tensor> g) override {
      return {g[0] + saved(0) * 0.0};
    }
  };
  on_small_stack([] {
    Tensor x = leaf({1}, {1});
    for (bool walk : {false, true}) {
      Tensor y = x;
      for (int i = 0; i < kLong / 10; ++i) y = apply(std::make_unique<Double>(), {y})[0];
      if (walk) y.backward();
    }
    expect_values(x.grad(), {1});
  });
}

TEST(Threads, AccumulateIntoOneLeaf) {
  Tensor w = leaf({1, 2, 3, 4});
  const int rounds = test_device() == Device() ? 500 : 40;
  std::vector<std::thread> threads;
  for (int k = 0; k < 8; ++k) {
    threads.emplace_back([&w, k, rounds] {
      for (int i = 0; i < rounds; ++i) sum(w * static_cast<double>(k + 1)).backward();
    });
  }
  for (std::thread& t : threads) t.join();
  expect_values(w.grad(), std::vector<double>(4, 36.0 * rounds));  // integers: exact in any order
}

TEST(Threads, WalkOneGraphTogether) {
  Tensor x = leaf({1, 2, 3});
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = y * 1.0 + x;
  const Tensor f = sum(y);
  std::vector<std::thread> threads;
  for (int k = 0; k < 8; ++k) {
    threads.emplace_back([&f] {
      for (int i = 0; i < 10; ++i) f.backward(Tensor(), true);
    });
  }
  for (std::thread& t : threads) t.join();
  expect_values(x.grad(), std::vector<double>(3, 21.0 * 80));
}

TEST(Threads, ScopesAreOfOneThread) {
  Tensor x = leaf({1});
  const NoGradScope off;
  std::thread other([&x] {
    EXPECT_TRUE(grad_enabled());
    EXPECT_TRUE((x * 2.0).requires_grad());
  });
  other.join();
  EXPECT_FALSE((x * 2.0).requires_grad());
}

TEST(Life, TheGraphOutlivesTheTensorsAndTheyIt) {
  Tensor y, kept;
  {
    Tensor x = leaf({2, 3});
    kept = x;
    const Tensor a = x * x;
    {
      const Tensor b = exp(a.detach() * 0.0) * a;
      y = sum(b);
    }
  }
  y.backward();
  expect_values(kept.grad(), {4, 6});
  Tensor middle = kept * 5.0;
  y = sum(middle);
  y = Tensor();
  sum(middle).backward();
  expect_values(kept.grad(), {9, 11});
  Tensor gradient;
  {
    Tensor x = leaf({1, 2});
    (sum(x * x)).backward();
    gradient = x.grad();
  }
  expect_values(gradient, {2, 4});
}

// Counts releases of memory that a leaf or constant stands on.
struct Watched {
  double data[4] = {1, 2, 3, 4};
  int released = 0;
  Tensor tensor() {
    return from_memory(
        data, DType::float64, {4}, {1}, false,
        [](void* w) { ++static_cast<Watched*>(w)->released; }, this);
  }
};

TEST(Life, NothingIsHeldInACycle) {
  struct Case {
    const char* name;
    Tensor (*build)(const Tensor& x);
  };
  const Case cases[] = {
      {"saved inputs", [](const Tensor& x) { return sum(x * x); }},
      {"saved outputs", [](const Tensor& x) { return sum(exp(tanh(sigmoid(x)))); }},
      {"softmax", [](const Tensor& x) { return sum(softmax(x, 0) * x); }},
      {"views",
       [](const Tensor& x) {
         return sum(flip(x.reshape({2, 2}).transpose())[0]);
       }},
      {"writes",
       [](const Tensor& x) {
         Tensor z = x.clone(), v = z.reshape({2, 2})[0];
         v *= 2.0;
         exp_(v);
         return sum(z) + sum(v);
       }},
      {"matmul",
       [](const Tensor& x) {
         return sum(matmul(x.reshape({2, 2}), x.reshape({2, 2})));
       }},
  };
  for (const Case& c : cases) {
    for (const char* end : {"dropped", "backward", "grad", "second"}) {
      Watched memory;
      {
        Tensor x = memory.tensor().requires_grad_();
        const Tensor y = c.build(x);
        if (end == std::string("backward")) y.backward();
        if (end == std::string("grad")) grad({y}, {x}, {.retain_graph = true});
        if (end == std::string("second"))
          grad({sum(grad({y}, {x}, {.create_graph = true})[0] * x)}, {x});
        EXPECT_EQ(memory.released, 0);
      }
      EXPECT_EQ(memory.released, 1) << c.name << ", " << end;
    }
  }
}

TEST(Life, BackwardFreesWhatItSavedEvenIfTheOutputStays) {
  Watched memory;
  Tensor w = ones({4}, DType::float64).requires_grad_();
  const Tensor y = sum(w * memory.tensor());
  EXPECT_EQ(memory.released, 0);
  y.backward();
  EXPECT_EQ(memory.released, 1);
}

}  // namespace
}  // namespace tenon
