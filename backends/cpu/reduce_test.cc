// Reduce kernels against long double and exact integers: every reducer and dtype, every set of
// axes, any strides, prologues and epilogues, ties and NaN; the same bits for any number of
// threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "backends/cpu/test_device.h"
#include "backends/cpu/test_reference.h"

namespace tenon_cpu {
namespace {

using Random = std::mt19937_64;

uint32_t AccOf(uint32_t kind, uint32_t dtype) {
  if (kind == TENON_ARGMIN || kind == TENON_ARGMAX) return TENON_I64;
  if (kind == TENON_MOMENTS) return dtype == TENON_F64 ? TENON_F64 : TENON_F32;
  if (kind == TENON_MIN || kind == TENON_MAX || kind == TENON_ANY || kind == TENON_ALL)
    return dtype;
  if (dtype == TENON_F64) return TENON_F64;
  if (tenon_dtype_is_float(dtype)) return TENON_F32;
  return tenon_dtype_is_signed(dtype) ? TENON_I64 : TENON_U64;
}

TestProgram Prologue(uint32_t dtype) {
  TestProgram p;
  p.n_inputs = 1;
  p.instr = {Instr(TENON_OP_INPUT, dtype), Instr(TENON_OP_INDEX, TENON_I64)};
  return p;
}

TestProgram PlainEpilogue(const std::vector<uint32_t>& dtypes) {
  TestProgram p;
  p.n_inputs = static_cast<uint32_t>(dtypes.size());
  for (uint32_t k = 0; k < p.n_inputs; ++k) {
    p.instr.push_back(Instr(TENON_OP_INPUT, dtypes[k], 0, 0, 0, k));
    p.outputs.push_back(k);
  }
  return p;
}

struct Expected {
  Real sum = 0, magnitude = 0, product = 1, mean = 0, m2 = 0;
  Wide isum = 0;
  uint64_t iproduct = 1, extreme = 0;
  int64_t count = 0, key = 0;
  bool any = false, all = true, nan = false;
  std::vector<Real> values;
};

void Take(Expected& e, uint32_t kind, uint32_t dtype, uint64_t bits, int64_t key) {
  const bool is_float = tenon_dtype_is_float(dtype);
  const Real x = is_float ? RealOf(dtype, bits) : static_cast<Real>(IntOf(dtype, bits));
  const bool max = kind == TENON_MAX || kind == TENON_ARGMAX;
  bool better = e.count == 0;
  if (!better) {
    if (is_float) {
      const Real old = RealOf(dtype, e.extreme);
      if (std::isnan(x) || std::isnan(old))
        better = std::isnan(x) && (!std::isnan(old) || key < e.key);
      else
        better = (max ? x > old : x < old) || (x == old && key < e.key);
    } else {
      const Wide v = IntOf(dtype, bits), old = IntOf(dtype, e.extreme);
      better = (max ? v > old : v < old) || (v == old && key < e.key);
    }
  }
  if (better) {
    e.extreme = bits;
    e.key = key;
  }
  e.sum += x;
  e.magnitude += fabsl(x);
  e.product *= x;
  if (!is_float) {
    e.isum += IntOf(dtype, bits);
    e.iproduct *= static_cast<uint64_t>(IntOf(dtype, bits));
  }
  e.any = e.any || x != 0;
  e.all = e.all && x != 0;
  e.values.push_back(x);
  ++e.count;
}

void Check(const Expected& e, uint32_t kind, uint32_t dtype, uint32_t acc,
           const std::vector<uint64_t>& got) {
  const Real eps = acc == TENON_F64 ? 0x1p-53L : 0x1p-24L;
  const Real depth = std::max<Real>(1, log2l(static_cast<Real>(e.count)));
  switch (kind) {
    case TENON_SUM:
      if (tenon_dtype_is_float(acc))
        ASSERT_LE(fabsl(RealOf(acc, got[0]) - e.sum), 2 * depth * eps * e.magnitude + 0x1p-140L);
      else
        ASSERT_EQ(got[0], Masked(acc, e.isum));
      break;
    case TENON_PROD:
      if (tenon_dtype_is_float(acc))
        ASSERT_LE(fabsl(RealOf(acc, got[0]) - e.product),
                  2 * static_cast<Real>(e.count) * eps * fabsl(e.product) + 0x1p-140L);
      else
        ASSERT_EQ(got[0], Masked(acc, static_cast<Wide>(e.iproduct)));
      break;
    case TENON_MIN:
    case TENON_MAX:
      ASSERT_TRUE(Agrees(dtype, got[0], e.extreme, 0, 0, true))
          << std::hex << got[0] << " not " << e.extreme;
      break;
    case TENON_ANY:
      ASSERT_EQ(got[0], e.any);
      break;
    case TENON_ALL:
      ASSERT_EQ(got[0], e.all);
      break;
    case TENON_ARGMIN:
    case TENON_ARGMAX:
      ASSERT_EQ(static_cast<int64_t>(got[0]), e.key);
      break;
    default: {
      const Real mean = e.sum / static_cast<Real>(e.count);
      Real m2 = 0;
      for (Real x : e.values) m2 += (x - mean) * (x - mean);
      ASSERT_EQ(RealOf(acc, got[0]), static_cast<Real>(e.count));
      ASSERT_LE(fabsl(RealOf(acc, got[1]) - mean),
                4 * depth * eps * e.magnitude / static_cast<Real>(e.count));
      ASSERT_LE(fabsl(RealOf(acc, got[2]) - m2),
                8 * depth * eps * (m2 + sqrtl(m2) * e.magnitude) +
                    static_cast<Real>(e.count) * (dtype == TENON_F64 ? 1e-30L : 1e-16L));
    }
  }
}

uint64_t Element(uint32_t kind, uint32_t dtype, Random& random) {
  if (dtype == TENON_BOOL) return random() % 8 == 0;
  if (!tenon_dtype_is_float(dtype))
    return Masked(dtype,
                  static_cast<Wide>(random() % 200) - (tenon_dtype_is_signed(dtype) ? 100 : 0));
  const bool arg =
      kind == TENON_ARGMIN || kind == TENON_ARGMAX || kind == TENON_MIN || kind == TENON_MAX;
  if (arg)
    return random() % 500 == 0 ? BitsOf(dtype, std::nanl(""))
                               : BitsOf(dtype, static_cast<Real>(random() % 40) - 20);  // with ties
  const Real u = static_cast<Real>(random() >> 11) * 0x1p-53L;
  return BitsOf(dtype, kind == TENON_PROD ? 0.5L + u : 3 * u - 1);
}

// All positions of `sizes`, those of `axes` reduced, element by element.
void RunReduction(uint32_t kind, uint32_t dtype, const std::vector<int64_t>& sizes, uint32_t axes,
                  const std::vector<int64_t>& strides, Random& random) {
  const uint32_t rank = static_cast<uint32_t>(sizes.size());
  const uint32_t acc = AccOf(kind, dtype);
  int64_t low = 0, high = 0;
  for (uint32_t d = 0; d < rank; ++d) (strides[d] < 0 ? low : high) += strides[d] * (sizes[d] - 1);
  const uint32_t size = tenon_dtype_size(dtype);
  std::vector<char> memory(static_cast<size_t>((high - low + 1) * size));
  for (int64_t i = 0; i <= high - low; ++i)
    WriteBits(memory.data(), dtype, i, Element(kind, dtype, random));
  TestLaunch launch;
  launch.sizes = sizes;
  launch.reduce_axes = axes;
  launch.operands = {{memory.data() - low * size, dtype, strides}};
  std::vector<int64_t> out_strides(rank, 0), key_strides(rank, 0);
  int64_t results = 1, elements = 1;
  for (uint32_t d = rank; d-- > 0;) {
    if ((axes >> d & 1) != 0) {
      key_strides[d] = elements;
      elements *= sizes[d];
    } else {
      out_strides[d] = results;
      results *= sizes[d];
    }
  }
  launch.index_strides = key_strides;
  const int n_acc = kind == TENON_MOMENTS ? 3 : 1;
  std::vector<std::vector<char>> out(static_cast<size_t>(n_acc),
                                     std::vector<char>(static_cast<size_t>(results * 8)));
  for (auto& o : out) launch.operands.push_back({o.data(), acc, out_strides});
  TestKernel kernel(Prologue(dtype),
                    {{static_cast<uint16_t>(kind), static_cast<uint16_t>(acc), 0, 1, 0}},
                    PlainEpilogue(std::vector<uint32_t>(static_cast<size_t>(n_acc), acc)));
  ASSERT_EQ(kernel.status(), TENON_OK) << kernel.message();
  ASSERT_EQ(kernel.Launch(launch), TENON_OK) << kernel.message();
  std::vector<Expected> expected(static_cast<size_t>(results));
  TenonPosition at = FirstPosition(sizes);
  do {
    const uint64_t bits =
        ReadBits(launch.operands[0].data, dtype, tenon_position_offset(&at, strides.data()));
    Take(expected[static_cast<size_t>(tenon_position_offset(&at, out_strides.data()))], kind, dtype,
         bits, tenon_position_offset(&at, key_strides.data()));
  } while (tenon_position_next(&at));
  for (int64_t r = 0; r < results; ++r) {
    std::vector<uint64_t> got;
    for (auto& o : out) got.push_back(ReadBits(o.data(), acc, r));
    ASSERT_NO_FATAL_FAILURE(Check(expected[static_cast<size_t>(r)], kind, dtype, acc, got))
        << "reducer " << kind << " of " << tenon_dtype_name(dtype) << ", rank " << rank << ", axes "
        << axes << ", result " << r << " of " << results << " over " << elements;
  }
}

bool Defined(uint32_t kind, uint32_t dtype) {
  if (kind == TENON_ANY || kind == TENON_ALL) return dtype == TENON_BOOL;
  if (kind == TENON_MOMENTS) return tenon_dtype_is_float(dtype);
  return true;
}

TEST(Reduce, EveryReducerAndDtypeOverEverySetOfAxes) {
  Random random(11);
  for (uint32_t kind = TENON_SUM; kind <= TENON_MOMENTS; ++kind) {
    for (uint32_t dtype = TENON_BOOL; dtype <= TENON_F64; ++dtype) {
      if (!Defined(kind, dtype)) continue;
      for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{},
                                                {1},
                                                {7},
                                                {70},
                                                {2000},
                                                {37, 21},
                                                {5, 300},
                                                {300, 5},
                                                {3, 1, 40},
                                                {4, 5, 6, 7}}) {
        for (uint32_t axes = 0; axes < 1u << sizes.size(); ++axes)
          ASSERT_NO_FATAL_FAILURE(RunReduction(kind, dtype, sizes, axes, RowMajor(sizes), random));
      }
    }
  }
}

TEST(Reduce, AnyStrides) {
  Random random(12);
  for (uint32_t kind : {TENON_SUM, TENON_MAX, TENON_ARGMIN, TENON_MOMENTS}) {
    for (int trial = 0; trial < 150; ++trial) {
      const uint32_t dtype = trial % 3 == 0 ? TENON_F64 : trial % 3 == 1 ? TENON_F32 : TENON_BF16;
      std::vector<int64_t> sizes, strides;
      std::vector<size_t> order;
      for (uint64_t d = 1 + random() % 5; d > 0; --d) {
        sizes.push_back(1 + static_cast<int64_t>(random() % (trial < 20 ? 20 : 10)));
        order.push_back(order.size());
      }
      std::shuffle(order.begin(), order.end(), random);
      strides.resize(sizes.size());
      int64_t next = random() % 3 == 0 ? 2 : 1;
      for (size_t d : order) {
        strides[d] = random() % 7 == 0 ? 0 : next;
        next *= sizes[d] + static_cast<int64_t>(random() % 2);
        if (random() % 5 == 0) strides[d] = -strides[d];
      }
      ASSERT_NO_FATAL_FAILURE(RunReduction(kind, dtype, sizes,
                                           static_cast<uint32_t>(random() % (1u << sizes.size())),
                                           strides, random));
    }
  }
}

TEST(Reduce, LargeAndTheSameBitsForAnyNumberOfThreads) {
  for (const auto& [sizes, axes] :
       std::vector<std::pair<std::vector<int64_t>, uint32_t>>{{{1'000'003}, 1},
                                                              {{1200, 700}, 1},
                                                              {{1200, 700}, 2},
                                                              {{200'000, 3}, 1},
                                                              {{3, 200'000}, 2}}) {
    for (uint32_t kind : {TENON_SUM, TENON_MAX, TENON_ARGMAX, TENON_MOMENTS}) {
      Random random(5);
      int64_t count = 1, results = 1;
      for (size_t d = 0; d < sizes.size(); ++d) {
        count *= sizes[d];
        results *= (axes >> d & 1) != 0 ? 1 : sizes[d];
      }
      std::vector<float> x(static_cast<size_t>(count));
      for (float& v : x) v = static_cast<float>(random() % 1000003) * 1e-3f;
      const uint32_t acc = AccOf(kind, TENON_F32);
      const size_t n_acc = kind == TENON_MOMENTS ? 3 : 1;
      TestKernel kernel(Prologue(TENON_F32),
                        {{static_cast<uint16_t>(kind), static_cast<uint16_t>(acc), 0, 1, 0}},
                        PlainEpilogue(std::vector<uint32_t>(n_acc, acc)));
      std::vector<std::vector<char>> first;
      for (int threads : {1, 2, 3, 5}) {
        test_threads = threads;
        std::vector<std::vector<char>> out(n_acc,
                                           std::vector<char>(static_cast<size_t>(results * 8)));
        TestLaunch launch;
        launch.sizes = sizes;
        launch.reduce_axes = axes;
        launch.index_strides = RowMajor(sizes);
        launch.operands = {{x.data(), TENON_F32, RowMajor(sizes)}};
        std::vector<int64_t> out_strides(sizes.size(), 0);
        for (size_t d = 0; d < sizes.size(); ++d) out_strides[d] = (axes >> d & 1) != 0 ? 0 : 1;
        for (auto& o : out) launch.operands.push_back({o.data(), acc, out_strides});
        ASSERT_EQ(kernel.Launch(launch), TENON_OK);
        if (threads == 1) first = out;
        ASSERT_EQ(first, out) << "reducer " << kind << " with " << threads << " threads";
      }
      test_threads = 1;
      if (kind == TENON_SUM && results == 1) {
        Real sum = 0, magnitude = 0;
        for (float v : x) sum += v, magnitude += fabsl(static_cast<Real>(v));
        ASSERT_LE(fabsl(RealOf(acc, ReadBits(first[0].data(), acc, 0)) - sum),
                  2 * 20 * 0x1p-24L * magnitude);
      }
    }
  }
}

// softmax's denominator and a mean: sum of exp(x - max) with a prologue, two reducers, an epilogue
// with a scalar.
TEST(Reduce, PrologueAndEpilogue) {
  TestProgram prologue;
  prologue.n_inputs = 2;
  prologue.n_scalars = 1;
  prologue.instr = {Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 0),
                    Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 1),
                    Instr(TENON_OP_SUB, TENON_F32, 0, 1), Instr(TENON_OP_MUL, TENON_F32, 2, 2)};
  TestProgram epilogue;
  epilogue.n_inputs = 2;
  epilogue.n_scalars = 1;
  epilogue.instr = {Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 0),
                    Instr(TENON_OP_INPUT, TENON_F32, 0, 0, 0, 1),
                    Instr(TENON_OP_SCALAR, TENON_F32, 0, 0, 0, 0),
                    Instr(TENON_OP_MUL, TENON_F32, 0, 2), Instr(TENON_OP_ADD, TENON_F32, 3, 1)};
  epilogue.outputs = {4, 1};
  TestKernel kernel(prologue, {{TENON_SUM, TENON_F32, 3, 0, 0}, {TENON_MAX, TENON_F32, 2, 0, 0}},
                    epilogue);
  ASSERT_EQ(kernel.status(), TENON_OK) << kernel.message();
  const int64_t rows = 33, columns = 1500;
  std::vector<float> x(static_cast<size_t>(rows * columns)), shift(rows), out(rows), most(rows);
  Random random(9);
  for (float& v : x) v = static_cast<float>(random() % 2048) / 256.0f;
  for (float& v : shift) v = static_cast<float>(random() % 16);
  TestLaunch launch;
  launch.sizes = {rows, columns};
  launch.reduce_axes = 2;
  const float half = 0.5f;
  launch.scalars = {tenon_f32_bits(half)};
  launch.operands = {{x.data(), TENON_F32, {columns, 1}},
                     {shift.data(), TENON_F32, {1, 0}},
                     {out.data(), TENON_F32, {1, 0}},
                     {most.data(), TENON_F32, {1, 0}}};
  ASSERT_EQ(kernel.Launch(launch), TENON_OK) << kernel.message();
  for (int64_t r = 0; r < rows; ++r) {
    Real sum = 0;
    float max = -1e30f;
    for (int64_t c = 0; c < columns; ++c) {
      const float d = x[static_cast<size_t>(r * columns + c)] - shift[static_cast<size_t>(r)];
      sum += static_cast<Real>(d) * d;
      max = std::max(max, d);
    }
    ASSERT_EQ(most[static_cast<size_t>(r)], max);
    ASSERT_NEAR(out[static_cast<size_t>(r)], static_cast<float>(sum * 0.5L + max),
                1e-6 * static_cast<double>(sum));
  }
}

}  // namespace
}  // namespace tenon_cpu
