// Training steps as performance.md names them: forward, backward and the optimizer's step, data on
// the device.
#include <benchmark/benchmark.h>

#include <memory>
#include <utility>
#include <vector>

#include "tenon/nn/activation.h"
#include "tenon/nn/linear.h"
#include "tenon/nn/optimizer.h"
#include "tenon/nn/sequential.h"
#include "tenon/ops/random.h"
#include "tenon/ops/softmax.h"

namespace tenon::nn {
namespace {

Sequential mlp(const std::vector<int64_t>& sizes) {
  Sequential model;
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) model.add(Relu());
    model.add(Linear(sizes[i], sizes[i + 1]));
  }
  return model;
}

void train(benchmark::State& state, const std::vector<int64_t>& sizes, int64_t batch, bool adam) {
  Sequential model = mlp(sizes);
  std::unique_ptr<Optimizer> optimizer;
  if (adam) {
    optimizer = std::make_unique<AdamW>(model.parameters());
  } else {
    optimizer = std::make_unique<Sgd>(model.parameters());
  }
  const Tensor x = normal(Dims{batch, sizes.front()});
  const Tensor y = randint(Dims{batch}, 0, sizes.back());
  for (auto _ : state) {
    optimizer->zero_grad();
    cross_entropy(model(x), y).backward();
    optimizer->step();
  }
  state.SetItemsProcessed(state.iterations() * batch);
}

void BM_MlpStep(benchmark::State& state, bool adam) { train(state, {784, 256, 128, 10}, 64, adam); }
BENCHMARK_CAPTURE(BM_MlpStep, sgd, false)->UseRealTime();
BENCHMARK_CAPTURE(BM_MlpStep, adamw, true)->UseRealTime();

void BM_TinyMlpStep(benchmark::State& state, bool adam) { train(state, {4, 8, 3}, 4, adam); }
BENCHMARK_CAPTURE(BM_TinyMlpStep, sgd, false)->UseRealTime();
BENCHMARK_CAPTURE(BM_TinyMlpStep, adamw, true)->UseRealTime();

void BM_AdamWTenMillion(benchmark::State& state) {
  std::vector<Tensor> parameters;
  for (int i = 0; i < 10; ++i) {
    Tensor p = normal(Dims{1000000});
    p.requires_grad_();
    p.set_grad(normal(Dims{1000000}));
    parameters.push_back(std::move(p));
  }
  AdamW optimizer(parameters);
  optimizer.step();  // makes the state
  for (auto _ : state) optimizer.step();
  state.SetBytesProcessed(state.iterations() * 10 * 1000000 * 7 *
                          4);  // reads p m v g, writes p m v
}
BENCHMARK(BM_AdamWTenMillion)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tenon::nn
