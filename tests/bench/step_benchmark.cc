// Training steps on the cpu: zero_grad, forward, cross entropy, backward, update. Targets
// (performance.md): MLP 4-8-3 with batch 4 and SGD <= 6 us; MLP 784-256-128-10 with batch 64 at
// least 1.25 times PyTorch's rate.
#include <benchmark/benchmark.h>

#include "tenon/nn/activation.h"
#include "tenon/nn/linear.h"
#include "tenon/nn/optimizer.h"
#include "tenon/nn/sequential.h"
#include "tenon/tenon.h"

namespace tenon {
namespace {

template <class Optimizer>
void step(benchmark::State& state, nn::Sequential model, int64_t batch, int64_t in,
          int64_t classes) {
  Optimizer optimizer(model.parameters());
  const Tensor x = uniform({batch, in}), y = randint({batch}, 0, classes);
  for (auto _ : state) {
    optimizer.zero_grad();
    cross_entropy(model(x), y).backward();
    optimizer.step();
  }
}

nn::Sequential small_mlp() {
  return nn::Sequential(nn::Linear(4, 8), nn::Relu(), nn::Linear(8, 3));
}
nn::Sequential mlp() {
  return nn::Sequential(nn::Linear(784, 256), nn::Relu(), nn::Linear(256, 128), nn::Relu(),
                        nn::Linear(128, 10));
}

void step_4_8_3_forward(benchmark::State& state) {
  nn::Sequential model = small_mlp();
  const Tensor x = uniform({4, 4}), y = randint({4}, 0, 3);
  for (auto _ : state) benchmark::DoNotOptimize(cross_entropy(model(x), y).impl());
}
BENCHMARK(step_4_8_3_forward);

void step_4_8_3_forward_backward(benchmark::State& state) {
  nn::Sequential model = small_mlp();
  const Tensor x = uniform({4, 4}), y = randint({4}, 0, 3);
  for (auto _ : state) {
    model.zero_grad();
    cross_entropy(model(x), y).backward();
  }
}
BENCHMARK(step_4_8_3_forward_backward);

void step_4_8_3_sgd(benchmark::State& state) { step<nn::Sgd>(state, small_mlp(), 4, 4, 3); }
BENCHMARK(step_4_8_3_sgd);
void step_4_8_3_adamw(benchmark::State& state) { step<nn::AdamW>(state, small_mlp(), 4, 4, 3); }
BENCHMARK(step_4_8_3_adamw);
void step_784_256_128_10_sgd(benchmark::State& state) { step<nn::Sgd>(state, mlp(), 64, 784, 10); }
BENCHMARK(step_784_256_128_10_sgd)->UseRealTime();
void step_784_256_128_10_adamw(benchmark::State& state) {
  step<nn::AdamW>(state, mlp(), 64, 784, 10);
}
BENCHMARK(step_784_256_128_10_adamw)->UseRealTime();

}  // namespace
}  // namespace tenon
