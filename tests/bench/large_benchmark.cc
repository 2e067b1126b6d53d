// Large calls on the cpu: elementwise at 1e3, 1e5 and 1e7 elements, matrix products of 64 to 2048.
// Bytes are those that the operation must move once; compare with the copy in the same run.
#include <benchmark/benchmark.h>

#include "tenon/tenon.h"

namespace tenon {
namespace {

void sizes(benchmark::internal::Benchmark* b) {
  for (int64_t n : {1000, 100000, 10000000}) b->Arg(n);
}

template <class Call>
void elementwise(benchmark::State& state, int operands, Call call) {
  const int64_t n = state.range(0);
  const Tensor x = uniform({n}, 0.5, 2.0), y = uniform({n}, 0.5, 2.0);
  for (auto _ : state) benchmark::DoNotOptimize(call(x, y).impl());
  state.SetBytesProcessed(state.iterations() * n * 4 * operands);
  state.SetItemsProcessed(state.iterations() * n);
}
#define ELEMENTWISE(name, operands, expression)                                                \
  void name(benchmark::State& state) {                                                         \
    elementwise(state, operands,                                                               \
                [](const Tensor& x, [[maybe_unused]] const Tensor& y) { return expression; }); \
  }                                                                                            \
  BENCHMARK(name)->Apply(sizes)
ELEMENTWISE(large_copy, 2, x.clone());
ELEMENTWISE(large_add, 3, add(x, y));
ELEMENTWISE(large_add_number, 2, add(x, 2));
ELEMENTWISE(large_exp, 2, exp(x));
ELEMENTWISE(large_tanh, 2, tanh(x));
ELEMENTWISE(large_gelu, 2, gelu(x));
ELEMENTWISE(large_where, 3, where(x > 1.0, x, y));
ELEMENTWISE(large_sum, 1, sum(x));
ELEMENTWISE(large_argmax, 1, argmax(x));
ELEMENTWISE(large_sort, 2, sort(x));
#undef ELEMENTWISE

void large_chain_of_8_fused(benchmark::State& state) {
  static const Fused chain = fuse("chain", 2, 1, [](const map::Value* x, map::Value* y) {
    map::Value v = x[0] * x[1];
    v = v + x[0];
    v = v * x[1];
    v = v - x[0];
    v = v * x[1];
    v = v + x[0];
    v = v * x[1];
    y[0] = v + x[0];
  });
  const int64_t n = state.range(0);
  const Tensor x = uniform({n}), y = uniform({n});
  for (auto _ : state) benchmark::DoNotOptimize(chain({x, y})[0].impl());
  state.SetBytesProcessed(state.iterations() * n * 4 * 3);
}
BENCHMARK(large_chain_of_8_fused)->Apply(sizes);

void matmul_square(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Tensor a = uniform({n, n}, -1, 1), b = uniform({n, n}, -1, 1);
  for (auto _ : state) benchmark::DoNotOptimize(matmul(a, b).impl());
  state.counters["flop/s"] = benchmark::Counter(2.0 * static_cast<double>(n * n * n),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(matmul_square)->RangeMultiplier(2)->Range(64, 2048)->UseRealTime();

void transpose_copy_4096(benchmark::State& state) {
  const Tensor a = uniform({4096, 4096}).transpose();
  for (auto _ : state) benchmark::DoNotOptimize(a.contiguous().impl());
  state.SetBytesProcessed(state.iterations() * 4096 * 4096 * 8);
}
BENCHMARK(transpose_copy_4096)->UseRealTime();

}  // namespace
}  // namespace tenon
