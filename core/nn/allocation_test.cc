// Small calls take nothing from the heap once they have run: tensors, their data and records come
// from lists of blocks, kernels and plans are kept.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>

#include "tenon/nn/activation.h"
#include "tenon/nn/linear.h"
#include "tenon/nn/optimizer.h"
#include "tenon/nn/sequential.h"
#include "tenon/tenon.h"

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace tenon {
namespace {

int64_t allocations_of(const std::function<void()>& call) {
  for (int i = 0; i < 3; ++i) call();  // records, compiles, fills the lists
  const int64_t before = allocations;
  for (int i = 0; i < 10; ++i) call();
  return allocations - before;
}

TEST(Allocations, TheCounterCounts) {
  EXPECT_EQ(allocations_of([] { operator delete(operator new(1)); }), 10);
}

TEST(Allocations, SmallCallsHaveNone) {
  const Tensor a = ones({8, 8}), row = ones({8}), mask = a > 0.5;
  const Tensor x = ones({8, 8}).requires_grad_(), b = ones({8}).requires_grad_();
  Tensor into = ones({8, 8});
  const struct {
    const char* name;
    std::function<void()> call;
  } calls[] = {
      {"empty", [] { empty({3}); }},
      {"add", [&] { add(a, a); }},
      {"add a number", [&] { add(a, 2); }},
      {"add a row", [&] { add(a, row); }},
      {"add in place", [&] { into += row; }},
      {"where", [&] { where(mask, a, 0); }},
      {"cast", [&] { a.to(DType::float64); }},
      {"transposed copy", [&] { a.transpose().contiguous(); }},
      {"views", [&] { slice(a.reshape({64}), 0, 2, 60, 3); }},
      {"sum", [&] { sum(a); }},
      {"sum of an axis", [&] { sum(a, {0}); }},
      {"max of an axis", [&] { max(a, {1}); }},
      {"softmax", [&] { softmax(a); }},
      {"matmul", [&] { matmul(a, a.transpose()); }},
      {"linear", [&] { linear(x, a, b); }},
      {"backward", [&] { sum(x * a).backward(); }},
      {"backward of a broadcast", [&] { sum(x * b).backward(); }},
  };
  for (const auto& c : calls) EXPECT_EQ(allocations_of(c.call), 0) << c.name;
}

TEST(Allocations, TrainingStepHasNone) {
  nn::Sequential model(nn::Linear(4, 8), nn::Relu(), nn::Linear(8, 3));
  nn::Sgd sgd(model.parameters());
  nn::AdamW adamw(model.parameters());
  const Tensor x = uniform({4, 4}), y = randint({4}, 0, 3);
  EXPECT_EQ(allocations_of([&] {
              sgd.zero_grad();
              cross_entropy(model.forward(x), y).backward();
              sgd.step();
              adamw.step();
            }),
            0);
}

}  // namespace
}  // namespace tenon
