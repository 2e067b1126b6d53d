// The backend alone, without core: small launches, bandwidth, functions, reductions, matrix
// products. Memory is warm and one thread works, so figures compare with the ceilings in
// docs/performance.
#include <benchmark/benchmark.h>

#include <cstring>

#include "backends/cpu/test_device.h"

namespace tenon_cpu {
namespace {

// Launches a kernel over contiguous f32 operands of `sizes`, the last `outputs` of them written.
struct Bench {
  std::vector<TenonBuffer> memory;  // from the backend: aligned, in huge pages
  std::vector<TenonOperand> operands;
  std::vector<uint64_t> scalars;
  TenonLaunch launch = {};
  TenonKernel kernel = 0;

  void Operand(int64_t items, const std::vector<int64_t>& strides, uint32_t dtype = TENON_F32) {
    const uint64_t bytes = static_cast<uint64_t>(items) * tenon_dtype_size(dtype);
    memory.push_back(0);
    if (Backend().core->mem_alloc(1, bytes, &memory.back(), nullptr) != TENON_OK) std::abort();
    std::memset(reinterpret_cast<void*>(memory.back()), 0, bytes);
    for (int64_t i = 0; dtype == TENON_F32 && i < items; ++i)
      reinterpret_cast<float*>(memory.back())[i] =
          static_cast<float>((i * 7919) % 1009) * 0.01f - 4;
    TenonOperand o = {0, 0, dtype, 0, {}};
    std::copy(strides.begin(), strides.end(), o.strides);
    operands.push_back(o);
  }
  void Create(const TestProgram& program, const std::vector<TenonReducer>& reducers = {},
              const TestProgram& epilogue = {}) {
    const TenonProgram p = program.Abi(), e = epilogue.Abi();
    const TenonKernelDesc desc = {sizeof desc,
                                  0,
                                  &p,
                                  reducers.empty() ? nullptr : &e,
                                  reducers.data(),
                                  static_cast<uint32_t>(reducers.size()),
                                  0};
    TenonError error = {sizeof error, 0, {}};
    if (Backend().core->kernel_create(1, &desc, &kernel, &error) != TENON_OK) std::abort();
  }
  void Run(benchmark::State& state, const std::vector<int64_t>& sizes, uint32_t reduce_axes,
           int64_t bytes) {
    for (size_t k = 0; k < operands.size(); ++k) operands[k].buffer = memory[k];
    launch.size = sizeof launch;
    launch.rank = static_cast<uint32_t>(sizes.size());
    launch.reduce_axes = reduce_axes;
    launch.n_operands = static_cast<uint32_t>(operands.size());
    launch.n_scalars = static_cast<uint32_t>(scalars.size());
    launch.operands = operands.data();
    launch.scalars = scalars.data();
    std::copy(sizes.begin(), sizes.end(), launch.sizes);
    const auto fn = Backend().core->kernel_launch;
    for (auto _ : state) {
      if (fn(1, 0, kernel, &launch, nullptr) != TENON_OK) std::abort();
      benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * bytes);
    Backend().core->kernel_destroy(1, kernel);
    for (TenonBuffer m : memory) Backend().core->mem_free(1, m);
  }
};

TestProgram OneOp(uint32_t op, int operands, uint32_t to = TENON_F32) {
  TestProgram p;
  for (int k = 0; k < operands; ++k)
    p.instr.push_back(Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, static_cast<uint64_t>(k)));
  p.instr.push_back(Instr(op, to, 0, operands - 1));
  p.n_inputs = static_cast<uint32_t>(operands);
  p.outputs = {static_cast<uint32_t>(operands)};
  return p;
}

void Map(benchmark::State& state, uint32_t op, int operands) {
  const int64_t n = state.range(0);
  Bench b;
  for (int k = 0; k <= operands; ++k) b.Operand(n, {1});
  b.Create(OneOp(op, operands));
  b.Run(state, {n}, 0, n * 4 * (operands + 1));
}
BENCHMARK_CAPTURE(Map, add, TENON_OP_ADD, 2)
    ->Arg(1)
    ->Arg(64)
    ->Arg(1000)
    ->Arg(100000)
    ->Arg(10000000);
BENCHMARK_CAPTURE(Map, div, TENON_OP_DIV, 2)->Arg(1000)->Arg(10000000);
BENCHMARK_CAPTURE(Map, exp, TENON_OP_EXP, 1)->Arg(64)->Arg(1000)->Arg(100000)->Arg(10000000);
BENCHMARK_CAPTURE(Map, log, TENON_OP_LOG, 1)->Arg(1000)->Arg(10000000);
BENCHMARK_CAPTURE(Map, tanh, TENON_OP_TANH, 1)->Arg(1000)->Arg(100000)->Arg(10000000);
BENCHMARK_CAPTURE(Map, erf, TENON_OP_ERF, 1)->Arg(1000)->Arg(10000000);
BENCHMARK_CAPTURE(Map, sin, TENON_OP_SIN, 1)->Arg(1000)->Arg(10000000);
BENCHMARK_CAPTURE(Map, pow, TENON_OP_POW, 2)->Arg(1000);

void Copy(benchmark::State& state) {  // memcpy
  const int64_t n = state.range(0);
  Bench b;
  for (int k = 0; k < 2; ++k) b.Operand(n, {1});
  for (auto _ : state) {
    std::memcpy(reinterpret_cast<void*>(b.memory[0]), reinterpret_cast<void*>(b.memory[1]),
                static_cast<size_t>(n) * 4);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * n * 8);
  for (TenonBuffer m : b.memory) Backend().core->mem_free(1, m);
}
BENCHMARK(Copy)->Arg(100000)->Arg(10000000);

void AddRow(benchmark::State& state) {  // [m, n] + [n]
  const int64_t m = state.range(0), n = state.range(1);
  Bench b;
  b.Operand(m * n, {n, 1});
  b.Operand(n, {0, 1});
  b.Operand(m * n, {n, 1});
  b.Create(OneOp(TENON_OP_ADD, 2));
  b.Run(state, {m, n}, 0, m * n * 8);
}
BENCHMARK(AddRow)->Args({4, 8})->Args({64, 128})->Args({3000, 3000})->Args({1000000, 3});

void Transpose(benchmark::State& state) {
  const int64_t n = state.range(0);
  TestProgram p;
  p.instr = {Instr(TENON_OP_INPUT, TENON_F32)};
  p.n_inputs = 1;
  p.outputs = {0};
  Bench b;
  b.Operand(n * n, {1, n});
  b.Operand(n * n, {n, 1});
  b.Create(p);
  b.Run(state, {n, n}, 0, n * n * 8);
}
BENCHMARK(Transpose)->Arg(8)->Arg(64)->Arg(4096);

void ToBF16(benchmark::State& state) {
  const int64_t n = state.range(0);
  Bench b;
  b.Operand(n, {1});
  b.Operand(n, {1}, TENON_BF16);
  b.Create(OneOp(TENON_OP_CAST, 1, TENON_BF16));
  b.Run(state, {n}, 0, n * 6);
}
BENCHMARK(ToBF16)->Arg(10000000);

void ChainOfEight(benchmark::State& state) {
  const int64_t n = state.range(0);
  TestProgram p;
  p.n_inputs = 2;
  p.instr = {Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 0),
             Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 1),
             Instr(TENON_OP_CONST, TENON_F32, 0, 0, 0, 0x3f000000)};
  for (int i = 0; i < 8; ++i)
    p.instr.push_back(Instr(i % 2 == 0 ? TENON_OP_MUL : TENON_OP_ADD, TENON_F32, i == 0 ? 0 : 2 + i,
                            i % 3 == 0 ? 2 : 1));
  p.outputs = {10};
  Bench b;
  for (int k = 0; k < 3; ++k) b.Operand(n, {1});
  b.Create(p);
  b.Run(state, {n}, 0, n * 12);
}
BENCHMARK(ChainOfEight)->Arg(64)->Arg(1000)->Arg(10000000);

void Uniform(benchmark::State& state) {  // random floats in [0, 1)
  const int64_t n = state.range(0);
  TestProgram p;
  p.n_scalars = 2;
  p.instr = {Instr(TENON_OP_INDEX, TENON_I64),
             Instr(TENON_OP_BITCAST, TENON_U64, 0),
             Instr(TENON_OP_SCALAR, TENON_U64, 0, 0, 0, 0),
             Instr(TENON_OP_ADD, TENON_U64, 1, 2),
             Instr(TENON_OP_SCALAR, TENON_U64, 0, 0, 0, 1),
             Instr(TENON_OP_PHILOX, TENON_U32, 3, 4),
             Instr(TENON_OP_CONST, TENON_U32, 0, 0, 0, 8),
             Instr(TENON_OP_SHR, TENON_U32, 5, 6),
             Instr(TENON_OP_CAST, TENON_F32, 7),
             Instr(TENON_OP_CONST, TENON_F32, 0, 0, 0, 0x33800000),
             Instr(TENON_OP_MUL, TENON_F32, 8, 9)};
  p.outputs = {10};
  Bench b;
  b.Operand(n, {1});
  b.scalars = {0, 42};
  b.launch.index_strides[0] = 1;
  b.Create(p);
  b.Run(state, {n}, 0, n * 4);
}
BENCHMARK(Uniform)->Arg(10000000);

void Reduce(benchmark::State& state, uint32_t kind, uint32_t acc, std::vector<int64_t> sizes,
            uint32_t axes) {
  TestProgram p, e;
  p.n_inputs = 1;
  p.instr = {Instr(TENON_OP_INPUT, TENON_F32), Instr(TENON_OP_INDEX, TENON_I64)};
  const uint32_t n_acc = kind == TENON_MOMENTS ? 3 : 1;
  e.n_inputs = n_acc;
  for (uint32_t k = 0; k < n_acc; ++k) e.instr.push_back(Instr(TENON_OP_INPUT, acc, 0, 0, 0, k));
  e.outputs = {n_acc - 1};
  Bench b;
  int64_t count = 1, results = 1;
  std::vector<int64_t> out(sizes.size(), 0);
  for (size_t d = sizes.size(); d-- > 0;) {
    b.launch.index_strides[d] = count;
    count *= sizes[d];
    if ((axes >> d & 1) != 0) continue;
    out[d] = results;
    results *= sizes[d];
  }
  b.Operand(count, RowMajor(sizes));
  b.Operand(results, out, acc);
  b.Create(p, {{static_cast<uint16_t>(kind), static_cast<uint16_t>(acc), 0, 1, 0}}, e);
  b.Run(state, sizes, axes, count * 4);
}
#define TENON_REDUCE(name, kind, acc)                                                             \
  BENCHMARK_CAPTURE(Reduce, name##_64, kind, acc, std::vector<int64_t>{64}, 1);                   \
  BENCHMARK_CAPTURE(Reduce, name##_100k, kind, acc, std::vector<int64_t>{100000}, 1);             \
  BENCHMARK_CAPTURE(Reduce, name##_10M, kind, acc, std::vector<int64_t>{10000000}, 1);            \
  BENCHMARK_CAPTURE(Reduce, name##_4096_axis0, kind, acc, (std::vector<int64_t>{4096, 4096}), 1); \
  BENCHMARK_CAPTURE(Reduce, name##_4096_axis1, kind, acc, (std::vector<int64_t>{4096, 4096}), 2);
TENON_REDUCE(sum, TENON_SUM, TENON_F32)
TENON_REDUCE(max, TENON_MAX, TENON_F32)
TENON_REDUCE(argmax, TENON_ARGMAX, TENON_I64)
TENON_REDUCE(moments, TENON_MOMENTS, TENON_F32)
BENCHMARK_CAPTURE(Reduce, sum_bias_gradient, TENON_SUM, TENON_F32, (std::vector<int64_t>{64, 128}),
                  1);

// Rows of `row` f32 out of `places` rows and back, named by a million / row random i64 indices;
// with `along`, each element by an index of its own.
enum class Move { kGather, kAssign, kAdd };
void Index(benchmark::State& state, Move move, bool along) {
  const int64_t places = state.range(0), row = state.range(1), n = 1000000 / row;
  std::vector<float> table(static_cast<size_t>(places * row), 0.5f),
      list(static_cast<size_t>(n * row), 0.25f);
  std::vector<int64_t> index(static_cast<size_t>(along ? n * row : n));
  uint64_t random = 1;
  for (int64_t& i : index) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    i = static_cast<int64_t>((random >> 33) % static_cast<uint64_t>(places));
  }
  const auto tensor = [&](void* data, uint32_t dtype, int64_t rows, uint32_t rank) {
    TenonTensor t = {};
    t.buffer = reinterpret_cast<TenonBuffer>(data);
    t.dtype = dtype;
    t.rank = rank;
    t.sizes[0] = rows;
    t.strides[0] = rank == 2 ? row : 1;
    t.sizes[1] = row;
    t.strides[1] = 1;
    return t;
  };
  int64_t bad = 0;
  TenonIndexArgs args = {};
  args.size = sizeof args;
  args.dst = tensor(list.data(), TENON_F32, n, 2);
  args.src = tensor(table.data(), TENON_F32, places, 2);
  if (move != Move::kGather) std::swap(args.src, args.dst);
  args.index = tensor(index.data(), TENON_I64, n, along ? 2 : 1);
  args.mode = along ? TENON_INDEX_ALONG : TENON_INDEX_ROWS;
  args.combine = move == Move::kAdd ? TENON_SCATTER_ADD : TENON_SCATTER_ASSIGN;
  args.out_of_range = reinterpret_cast<TenonBuffer>(&bad);
  const auto fn = move == Move::kGather ? Backend().tensor->gather : Backend().tensor->scatter;
  for (auto _ : state) {
    if (fn(1, 0, &args, nullptr, nullptr) != TENON_OK || bad != 0) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * n * row);
}
#define TENON_INDEX(name, move, along)        \
  BENCHMARK_CAPTURE(Index, name, move, along) \
      ->Args({1000, 1})                       \
      ->Args({1000000, 1})                    \
      ->Args({16000, 4})                      \
      ->Args({16000, 64})                     \
      ->Args({16000, 256});
TENON_INDEX(gather, Move::kGather, false)
TENON_INDEX(gather_along, Move::kGather, true)
TENON_INDEX(assign, Move::kAssign, false)
TENON_INDEX(add, Move::kAdd, false)
TENON_INDEX(add_along, Move::kAdd, true)

// The fused entries on [rows, columns] f32, contiguous; `across`: along the first axis.
enum class Entry { kSoftmax, kLogSoftmax, kBackward, kLogBackward, kEntropy, kNorm, kNormBackward };
void FusedRows(benchmark::State& state, Entry which, bool across) {
  const int64_t rows = state.range(0), n = state.range(1);
  const size_t count = static_cast<size_t>(rows * n);
  std::vector<float> data[3], statistics[3];
  for (auto& d : data) {
    d.resize(count);
    for (size_t i = 0; i < count; ++i) d[i] = static_cast<float>((i * 7919) % 1009) * 0.008f - 4;
  }
  for (auto& s : statistics) s.assign(static_cast<size_t>(rows), 1.0f);
  const std::vector<int64_t> targets(static_cast<size_t>(rows), n / 2);
  const auto tensor = [&](const void* at, int64_t last, uint32_t dtype = TENON_F32) {
    TenonTensor t = {};
    t.buffer = reinterpret_cast<TenonBuffer>(at);
    t.dtype = dtype;
    t.rank = 2;
    t.sizes[0] = rows;
    t.sizes[1] = last;
    t.strides[0] = across ? 1 : last;
    t.strides[1] = across ? rows : 1;
    return t;
  };
  const TenonTensor x = tensor(data[0].data(), n), g = tensor(data[1].data(), n),
                    y = tensor(data[2].data(), n);
  TenonTensor parameter = g;
  parameter.strides[0] = 0;
  TenonTensor statistic[3];
  for (int k = 0; k < 3; ++k) statistic[k] = tensor(statistics[k].data(), 1);
  const uint32_t log = which == Entry::kLogSoftmax || which == Entry::kLogBackward;
  const TenonSoftmaxArgs softmax = {sizeof softmax, 0, x, y, log, 0};
  const TenonSoftmaxBackwardArgs backward = {sizeof backward, 0, x, g, y, log, 0};
  const TenonCrossEntropyArgs entropy = {
      sizeof entropy, 0,           x, tensor(targets.data(), 1, TENON_I64), statistic[0],
      statistic[1],   statistic[2]};
  const TenonLayerNormArgs norm = {sizeof norm,  0,   x, parameter, parameter, y, statistic[0],
                                   statistic[1], 1e-5};
  const TenonLayerNormBackwardArgs norm_backward = {
      sizeof norm_backward, 0, x, parameter, statistic[0], statistic[1], g, y};
  const TenonFusedOps& fused = *Backend().fused;
  const auto call = [&] {
    switch (which) {
      case Entry::kSoftmax:
      case Entry::kLogSoftmax:
        return fused.softmax(1, 0, &softmax, nullptr, nullptr);
      case Entry::kBackward:
      case Entry::kLogBackward:
        return fused.softmax_backward(1, 0, &backward, nullptr, nullptr);
      case Entry::kEntropy:
        return fused.cross_entropy(1, 0, &entropy, nullptr, nullptr);
      case Entry::kNorm:
        return fused.layer_norm(1, 0, &norm, nullptr, nullptr);
      default:
        return fused.layer_norm_backward(1, 0, &norm_backward, nullptr, nullptr);
    }
  };
  for (auto _ : state) {
    if (call() != TENON_OK) std::abort();
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * rows * n);
}
#define TENON_ROWS(name, which)                    \
  BENCHMARK_CAPTURE(FusedRows, name, which, false) \
      ->Args({1, 4})                               \
      ->Args({64, 10})                             \
      ->Args({64, 128})                            \
      ->Args({64, 512})                            \
      ->Args({1024, 1000})                         \
      ->Args({1024, 1024});
TENON_ROWS(softmax, Entry::kSoftmax)
TENON_ROWS(log_softmax, Entry::kLogSoftmax)
TENON_ROWS(softmax_backward, Entry::kBackward)
TENON_ROWS(log_softmax_backward, Entry::kLogBackward)
TENON_ROWS(cross_entropy, Entry::kEntropy)
TENON_ROWS(layer_norm, Entry::kNorm)
TENON_ROWS(layer_norm_backward, Entry::kNormBackward)
BENCHMARK_CAPTURE(FusedRows, softmax_across, Entry::kSoftmax, true)
    ->Args({64, 10})
    ->Args({1024, 1024});

void Matmul(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  std::vector<float> a(static_cast<size_t>(m * k), 0.5f), b(static_cast<size_t>(k * n), 0.25f),
      c(static_cast<size_t>(m * n));
  const auto tensor = [](std::vector<float>& v, int64_t rows, int64_t columns) {
    TenonTensor t = {};
    t.buffer = reinterpret_cast<TenonBuffer>(v.data());
    t.dtype = TENON_F32;
    t.rank = 2;
    t.sizes[0] = rows;
    t.sizes[1] = columns;
    t.strides[0] = columns;
    t.strides[1] = 1;
    return t;
  };
  TenonMatmulArgs args = {};
  args.size = sizeof args;
  args.a = tensor(a, m, k);
  args.b = tensor(b, k, n);
  args.c = tensor(c, m, n);
  args.alpha = 1;
  for (auto _ : state) {
    if (Backend().tensor->matmul(1, 0, &args, nullptr, nullptr) != TENON_OK) std::abort();
  }
  state.counters["GFLOP/s"] = benchmark::Counter(
      2e-9 * static_cast<double>(m * n * k) * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}
BENCHMARK(Matmul)
    ->Args({4, 3, 8})
    ->Args({4, 8, 4})
    ->Args({16, 16, 16})
    ->Args({64, 64, 64})
    ->Args({128, 128, 128})
    ->Args({256, 256, 256})
    ->Args({512, 512, 512})
    ->Args({1024, 1024, 1024})
    ->Args({2048, 2048, 2048})
    ->Args({1, 4096, 4096})
    ->Args({32, 1024, 1024})
    ->Args({128, 128, 784});

}  // namespace
}  // namespace tenon_cpu
