// What recording and walking a graph cost on the cpu. Targets (performance.md, "Small calls"): add
// with a gradient
// <= 160 ns, a node of backward <= 200 ns, (a*b).sum() forward and backward <= 1,500 ns.
#include <benchmark/benchmark.h>

#include "tenon/tenon.h"

namespace tenon {
namespace {

void add_64_recording(benchmark::State& state) {
  const Tensor a = ones({64}).requires_grad_(), b = ones({64});
  for (auto _ : state) benchmark::DoNotOptimize(add(a, b).impl());
}
BENCHMARK(add_64_recording);

void multiply_64_recording(benchmark::State& state) {  // saves both
  const Tensor a = ones({64}).requires_grad_(), b = ones({64}).requires_grad_();
  for (auto _ : state) benchmark::DoNotOptimize(multiply(a, b).impl());
}
BENCHMARK(multiply_64_recording);

void view_select_recording(benchmark::State& state) {
  const Tensor a = ones({8, 8}).requires_grad_();
  for (auto _ : state) benchmark::DoNotOptimize(a[3].impl());
}
BENCHMARK(view_select_recording);

void multiply_sum_forward_64(benchmark::State& state) {
  Tensor a = ones({64}).requires_grad_(), b = ones({64}).requires_grad_();
  for (auto _ : state) benchmark::DoNotOptimize((a * b).sum().impl());
}
BENCHMARK(multiply_sum_forward_64);

void multiply_sum_forward_backward_64(benchmark::State& state) {
  Tensor a = ones({64}).requires_grad_(), b = ones({64}).requires_grad_();
  for (auto _ : state) {
    (a * b).sum().backward();
    a.set_grad(Tensor());
    b.set_grad(Tensor());
  }
}
BENCHMARK(multiply_sum_forward_backward_64);

// Items per second are nodes: 1e9 / that is the time of one.
template <class Step>
void chain(benchmark::State& state, Step step) {
  constexpr int kLength = 1000;
  Tensor x = ones({1}).requires_grad_();
  for (auto _ : state) {
    state.PauseTiming();
    Tensor y = x;
    for (int i = 0; i < kLength; ++i) y = step(y);
    state.ResumeTiming();
    y.backward();
    state.PauseTiming();
    y = Tensor();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kLength);
}
void backward_chain_1000_add(benchmark::State& state) {
  const Tensor one = ones({1});
  chain(state, [&](const Tensor& y) { return y + one; });
}
BENCHMARK(backward_chain_1000_add);
void backward_chain_1000_multiply(benchmark::State& state) {
  const Tensor one = ones({1});
  chain(state, [&](const Tensor& y) { return y * one; });
}
BENCHMARK(backward_chain_1000_multiply);
void backward_chain_1000_tanh(benchmark::State& state) {
  chain(state, [&](const Tensor& y) { return tanh(y); });
}
BENCHMARK(backward_chain_1000_tanh);

void destroy_chain_1000(benchmark::State& state) {
  Tensor x = ones({1}).requires_grad_();
  for (auto _ : state) {
    state.PauseTiming();
    Tensor y = x;
    for (int i = 0; i < 1000; ++i) y = y + x;
    state.ResumeTiming();
    y = Tensor();
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(destroy_chain_1000);

}  // namespace
}  // namespace tenon
