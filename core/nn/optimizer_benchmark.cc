// One step of an optimizer alone; whole training steps are in tests/bench/step_benchmark.cc. Target
// (performance.md): Adam on 10 tensors of 1e6 at the bandwidth limit.
#include <benchmark/benchmark.h>

#include <utility>
#include <vector>

#include "tenon/nn/optimizer.h"
#include "tenon/ops/random.h"

namespace tenon::nn {
namespace {

template <class Rule, class Options>
void step(benchmark::State& state, const Options& options, int64_t arrays) {
  std::vector<Tensor> parameters;
  for (int64_t i = 0; i < state.range(0); ++i) {
    Tensor p = normal(Dims{state.range(1)});
    p.requires_grad_();
    p.set_grad(normal(Dims{state.range(1)}));
    parameters.push_back(std::move(p));
  }
  Rule optimizer(parameters, options);
  optimizer.step();  // makes the state
  for (auto _ : state) optimizer.step();
  const int64_t bytes = state.range(0) * state.range(1) * 4 * arrays;
  state.SetBytesProcessed(state.iterations() * bytes);
}

void sgd(benchmark::State& state) { step<Sgd>(state, SgdOptions{}, 3); }
void sgd_momentum(benchmark::State& state) { step<Sgd>(state, SgdOptions{.momentum = 0.9}, 5); }
void adamw(benchmark::State& state) { step<AdamW>(state, AdamWOptions{}, 7); }

BENCHMARK(sgd)->Args({1, 64})->Args({10, 1000000})->UseRealTime();
BENCHMARK(sgd_momentum)->Args({1, 64})->Args({10, 1000000})->UseRealTime();
BENCHMARK(adamw)->Args({1, 64})->Args({10, 1000000})->UseRealTime();

}  // namespace
}  // namespace tenon::nn
