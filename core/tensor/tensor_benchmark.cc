// Small calls without a gradient: what one costs on the cpu, beside the arithmetic. Targets
// (performance.md, "Small calls"): add <= 100 ns, a view <= 40 ns, empty(1) <= 50 ns, item <= 10
// ns.
#include <benchmark/benchmark.h>

#include "tenon/tenon.h"

namespace tenon {
namespace {

void add_64(benchmark::State& state) {
  const Tensor a = ones({64}), b = ones({64});
  for (auto _ : state) benchmark::DoNotOptimize(add(a, b).impl());
}
BENCHMARK(add_64);

void add_64_of_a_number(benchmark::State& state) {
  const Tensor a = ones({64});
  for (auto _ : state) benchmark::DoNotOptimize(add(a, 2).impl());
}
BENCHMARK(add_64_of_a_number);

void add_64_in_place(benchmark::State& state) {
  Tensor a = zeros({64});
  const Tensor b = zeros({64});
  for (auto _ : state) benchmark::DoNotOptimize(add_(a, b).impl());
}
BENCHMARK(add_64_in_place);

void add_8x8_and_row(benchmark::State& state) {
  const Tensor a = ones({8, 8}), b = ones({8});
  for (auto _ : state) benchmark::DoNotOptimize(add(a, b).impl());
}
BENCHMARK(add_8x8_and_row);

void exp_64(benchmark::State& state) {
  const Tensor a = ones({64});
  for (auto _ : state) benchmark::DoNotOptimize(exp(a).impl());
}
BENCHMARK(exp_64);

void sum_64(benchmark::State& state) {
  const Tensor a = ones({64});
  for (auto _ : state) benchmark::DoNotOptimize(sum(a).impl());
}
BENCHMARK(sum_64);

void sum_8x8_axis(benchmark::State& state) {
  const Tensor a = ones({8, 8});
  for (auto _ : state) benchmark::DoNotOptimize(sum(a, {1}).impl());
}
BENCHMARK(sum_8x8_axis);

void empty_1(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(empty({1}).impl());
}
BENCHMARK(empty_1);

void empty_1000(benchmark::State& state) {  // beyond the embedded storage
  for (auto _ : state) benchmark::DoNotOptimize(empty({1000}).impl());
}
BENCHMARK(empty_1000);

void zeros_64(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(zeros({64}).impl());
}
BENCHMARK(zeros_64);

void item_of_one(benchmark::State& state) {
  const Tensor a = ones({});
  for (auto _ : state) benchmark::DoNotOptimize(a.item());
}
BENCHMARK(item_of_one);

void view_reshape(benchmark::State& state) {
  const Tensor a = ones({8, 8});
  for (auto _ : state) benchmark::DoNotOptimize(a.reshape({64}).impl());
}
BENCHMARK(view_reshape);

void view_transpose(benchmark::State& state) {
  const Tensor a = ones({8, 8});
  for (auto _ : state) benchmark::DoNotOptimize(a.transpose().impl());
}
BENCHMARK(view_transpose);

void view_slice(benchmark::State& state) {
  const Tensor a = ones({8, 8});
  for (auto _ : state) benchmark::DoNotOptimize(slice(a, 0, 1, 7).impl());
}
BENCHMARK(view_slice);

void view_select(benchmark::State& state) {
  const Tensor a = ones({8, 8});
  for (auto _ : state) benchmark::DoNotOptimize(a[3].impl());
}
BENCHMARK(view_select);

void view_broadcast(benchmark::State& state) {
  const Tensor a = ones({8});
  for (auto _ : state) benchmark::DoNotOptimize(a.broadcast_to({8, 8}).impl());
}
BENCHMARK(view_broadcast);

void clone_64(benchmark::State& state) {
  const Tensor a = ones({64});
  for (auto _ : state) benchmark::DoNotOptimize(a.clone().impl());
}
BENCHMARK(clone_64);

void transpose_copy_8x8(benchmark::State& state) {
  const Tensor a = ones({8, 8}).transpose();
  for (auto _ : state) benchmark::DoNotOptimize(a.contiguous().impl());
}
BENCHMARK(transpose_copy_8x8);

void cast_64(benchmark::State& state) {
  const Tensor a = ones({64});
  for (auto _ : state) benchmark::DoNotOptimize(a.to(DType::float64).impl());
}
BENCHMARK(cast_64);

}  // namespace
}  // namespace tenon
