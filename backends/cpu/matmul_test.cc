// matmul against long double (exact integers) with a bound for every element: all dtypes,
// transposes and gaps by strides, batches with broadcasts, alpha, beta, bias, relu, sizes around
// every tile and slab; threads.
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/cpu/test_device.h"
#include "backends/cpu/test_reference.h"

namespace tenon_cpu {
namespace {

using Random = std::mt19937_64;

bool IsComplex(uint32_t dtype) { return dtype == TENON_C64 || dtype == TENON_C128; }

struct Matrix {
  std::vector<char> bytes;
  TenonTensor tensor = {};
  int parts;      // 2 for complex
  uint32_t part;  // their dtype

  // `order`: 0 rows contiguous, 1 columns contiguous, 2 with gaps. Batch axes lead; those in
  // `broadcast` have stride 0.
  Matrix(uint32_t dtype, const std::vector<int64_t>& sizes, int order, uint32_t broadcast,
         Random& random) {
    parts = IsComplex(dtype) ? 2 : 1;
    part = dtype;
    if (parts == 2) part = dtype == TENON_C64 ? TENON_F32 : TENON_F64;
    const size_t rank = sizes.size();
    tensor.dtype = dtype;
    tensor.rank = static_cast<uint32_t>(rank);
    std::copy(sizes.begin(), sizes.end(), tensor.sizes);
    const int64_t gap = order == 2 ? 2 : 1;
    tensor.strides[rank - 1] = order == 1 ? sizes[rank - 2] : gap;
    tensor.strides[rank - 2] = order == 1 ? 1 : gap * sizes[rank - 1] + (order == 2 ? 3 : 0);
    int64_t next = std::max(tensor.strides[rank - 1] * sizes[rank - 1],
                            tensor.strides[rank - 2] * sizes[rank - 2]) +
                   1;
    for (size_t d = rank - 2; d-- > 0;) {
      tensor.strides[d] = (broadcast >> d & 1) != 0 ? 0 : next;
      next *= (broadcast >> d & 1) != 0 ? 1 : sizes[d];
    }
    bytes.assign(static_cast<size_t>(next) * tenon_dtype_size(dtype), 0);
    for (int64_t i = 0; i < next * parts; ++i) {
      const uint64_t bits = tenon_dtype_is_float(part)
                                ? BitsOf(part, (static_cast<Real>(random() >> 11) * 0x1p-52L - 1))
                                : Masked(part, static_cast<Wide>(random()));
      WriteBits(bytes.data(), part, i, bits);
    }
  }
  TenonTensor* Bind() {
    tensor.buffer = reinterpret_cast<TenonBuffer>(bytes.data());
    return &tensor;
  }
  uint64_t Bits(int64_t offset, int p) const {
    return ReadBits(bytes.data(), part, offset * parts + p);
  }
  Real At(int64_t offset, int p) const { return p < parts ? RealOf(part, Bits(offset, p)) : 0; }
};

struct Options {
  int order_a = 0, order_b = 0, order_c = 0;
  double alpha = 1, beta = 0;
  bool bias = false, relu = false;
  uint32_t broadcast_a = 0, broadcast_b = 0;
};

void RunMatmul(uint32_t dtype, std::vector<int64_t> batch, int64_t m, int64_t n, int64_t k,
               const Options& o, Random& random) {
  const auto sizes = [&](int64_t rows, int64_t columns) {
    std::vector<int64_t> s = batch;
    s.push_back(rows);
    s.push_back(columns);
    return s;
  };
  Matrix a(dtype, sizes(m, k), o.order_a, o.broadcast_a, random),
      b(dtype, sizes(k, n), o.order_b, o.broadcast_b, random),
      c(dtype, sizes(m, n), o.order_c, 0, random), bias(dtype, sizes(m, n), 0, 0, random);
  if (o.bias) {  // one row for all
    for (size_t d = 0; d + 1 < batch.size() + 2; ++d) bias.tensor.strides[d] = 0;
  }
  Matrix before = c;
  TenonMatmulArgs args = {};
  args.size = sizeof args;
  args.a = *a.Bind();
  args.b = *b.Bind();
  args.c = *c.Bind();
  if (o.bias) args.bias = *bias.Bind();
  args.alpha = o.alpha;
  args.beta = o.beta;
  args.epilogue = o.relu ? TENON_EPILOGUE_RELU : TENON_EPILOGUE_NONE;
  TenonError error = {sizeof error, 0, {}};
  TenonCall dry = {sizeof dry, TENON_CALL_DRY_RUN, 0, 0, 0};
  ASSERT_EQ(Backend().tensor->matmul(1, 0, &args, &dry, &error), TENON_OK) << error.message;
  ASSERT_EQ(c.bytes, before.bytes) << "a dry run wrote";
  // Alternately with the caller's workspace, exactly as large as asked for, and without.
  std::vector<char> workspace(dry.workspace_bytes + 64, static_cast<char>(0x5a));
  TenonCall call = {sizeof call, 0, reinterpret_cast<TenonBuffer>(workspace.data()), 0,
                    dry.workspace_bytes};
  ASSERT_EQ(Backend().tensor->matmul(1, 0, &args, random() % 2 == 0 ? &call : nullptr, &error),
            TENON_OK)
      << error.message;
  for (size_t i = dry.workspace_bytes; i < workspace.size(); ++i) ASSERT_EQ(workspace[i], 0x5a);
  const bool is_float = tenon_dtype_is_float(c.part);
  const Real eps = c.part == TENON_F64 ? 0x1p-53L : 0x1p-24L;
  const Real last = c.part == TENON_F16 ? 0x1p-11L : c.part == TENON_BF16 ? 0x1p-8L : eps;
  const std::vector<int64_t> all = sizes(m, n);
  TenonPosition at = FirstPosition(all);
  const size_t row = batch.size(), column = row + 1;
  do {
    int64_t oa = 0, ob = 0;
    for (size_t d = 0; d < batch.size(); ++d) {
      oa += at.at[d] * a.tensor.strides[d];
      ob += at.at[d] * b.tensor.strides[d];
    }
    oa += at.at[row] * a.tensor.strides[row];
    ob += at.at[column] * b.tensor.strides[column];
    const int64_t oc = tenon_position_offset(&at, c.tensor.strides),
                  obias = tenon_position_offset(&at, bias.tensor.strides);
    Real sum[2] = {0, 0}, magnitude = 0;
    uint64_t isum = 0;
    for (int64_t p = 0; p < k; ++p) {
      const int64_t ia = oa + p * a.tensor.strides[column], ib = ob + p * b.tensor.strides[row];
      if (!is_float) {
        isum += a.Bits(ia, 0) * b.Bits(ib, 0);
        continue;
      }
      const Real ar = a.At(ia, 0), ai = a.At(ia, 1), br = b.At(ib, 0), bi = b.At(ib, 1);
      sum[0] += ar * br - ai * bi;
      sum[1] += ar * bi + ai * br;
      magnitude += (fabsl(ar) + fabsl(ai)) * (fabsl(br) + fabsl(bi));
    }
    for (int part = 0; part < c.parts; ++part) {
      if (!is_float) {
        uint64_t want = isum * static_cast<uint64_t>(static_cast<int64_t>(o.alpha)) +
                        before.Bits(oc, 0) * static_cast<uint64_t>(static_cast<int64_t>(o.beta));
        if (o.bias) want += bias.Bits(obias, 0);
        ASSERT_EQ(c.Bits(oc, 0), Masked(c.part, static_cast<Wide>(want)))
            << tenon_dtype_name(dtype) << " " << m << "x" << n << "x" << k;
        continue;
      }
      Real want = o.alpha * sum[part];
      Real most = fabsl(static_cast<Real>(o.alpha)) * magnitude;
      if (o.beta != 0)
        want += o.beta * before.At(oc, part), most += fabsl(o.beta * before.At(oc, part));
      if (o.bias) want += bias.At(obias, part), most += fabsl(bias.At(obias, part));
      if (o.relu) want = std::max<Real>(0, want);
      ASSERT_LE(fabsl(c.At(oc, part) - want),
                2 * static_cast<Real>(k + 4) * eps * most + last * fabsl(want) + 1e-300L)
          << tenon_dtype_name(dtype) << " " << m << "x" << n << "x" << k << " orders " << o.order_a
          << o.order_b << o.order_c << " alpha " << o.alpha << " beta " << o.beta;
      // Whatever lies between the elements of c keeps its value.
      WriteBits(before.bytes.data(), c.part, oc * c.parts + part, c.Bits(oc, part));
    }
    if (!is_float) WriteBits(before.bytes.data(), c.part, oc, c.Bits(oc, 0));
  } while (tenon_position_next(&at));
  ASSERT_EQ(c.bytes, before.bytes) << "bytes outside c changed";
}

TEST(Matmul, EveryDtypeOrderAndOption) {
  Random random(1);
  for (uint32_t dtype = TENON_U8; dtype <= TENON_C128; ++dtype) {
    for (int trial = 0; trial < 27; ++trial) {
      Options o{trial % 3, trial / 3 % 3, trial / 9, 1, 0, false, false, 0, 0};
      if (trial % 2 == 1) o.alpha = tenon_dtype_is_integer(dtype) ? 3 : -0.75, o.beta = 2;
      o.bias = trial % 4 >= 2;
      o.relu = tenon_dtype_is_float(dtype) && trial % 5 == 0;
      ASSERT_NO_FATAL_FAILURE(RunMatmul(dtype, {}, 1 + static_cast<int64_t>(random() % 40),
                                        1 + static_cast<int64_t>(random() % 70),
                                        1 + static_cast<int64_t>(random() % 50), o, random));
    }
  }
}

TEST(Matmul, SizesAroundTilesAndSlabs) {
  Random random(2);
  for (uint32_t dtype : {TENON_F32, TENON_F64, TENON_BF16, TENON_I32}) {
    for (int64_t m : {1, 2, 5, 12, 13, 25}) {
      for (int64_t n : {1, 7, 16, 32, 33, 65}) {
        for (int64_t k : {1, 3, 64})
          ASSERT_NO_FATAL_FAILURE(RunMatmul(dtype, {}, m, n, k, {}, random));
      }
    }
    for (int64_t k : {255, 256, 257, 700})
      ASSERT_NO_FATAL_FAILURE(RunMatmul(
          dtype, {}, 30, 40, k, {0, 1, 0, 0.5 * 4, 1, true, dtype != TENON_I32, 0, 0}, random));
  }
  ASSERT_NO_FATAL_FAILURE(RunMatmul(TENON_F32, {}, 250, 300, 270, {}, random));
  ASSERT_NO_FATAL_FAILURE(RunMatmul(TENON_F32, {}, 4100, 3, 5, {}, random));
  ASSERT_NO_FATAL_FAILURE(RunMatmul(TENON_F64, {}, 2, 4200, 300, {}, random));
}

TEST(Matmul, BatchesAndBroadcasts) {
  Random random(3);
  for (uint32_t dtype : {TENON_F32, TENON_C64, TENON_F16}) {
    ASSERT_NO_FATAL_FAILURE(
        RunMatmul(dtype, {5}, 4, 3, 8, {0, 0, 0, 1, 0, true, false, 0, 1}, random));
    ASSERT_NO_FATAL_FAILURE(
        RunMatmul(dtype, {2, 3}, 9, 17, 6, {0, 1, 0, 1, 0, false, false, 1, 2}, random));
    ASSERT_NO_FATAL_FAILURE(RunMatmul(dtype, {1, 2, 1, 3, 1, 2}, 3, 3, 3, {}, random));
    ASSERT_NO_FATAL_FAILURE(RunMatmul(dtype, {2}, 200, 130, 90, {}, random));
  }
}

TEST(Matmul, SameBitsForAnyNumberOfThreads) {
  Random random(4);
  for (const auto& [m, n, k] :
       {std::tuple<int64_t, int64_t, int64_t>{300, 500, 600}, {64, 2000, 300}, {2000, 40, 257}}) {
    Matrix a(TENON_F32, {m, k}, 0, 0, random), b(TENON_F32, {k, n}, 0, 0, random),
        c(TENON_F32, {m, n}, 0, 0, random);
    std::vector<char> first;
    for (int threads : {1, 2, 3, 5}) {
      test_threads = threads;
      TenonMatmulArgs args = {};
      args.size = sizeof args;
      args.a = *a.Bind();
      args.b = *b.Bind();
      args.c = *c.Bind();
      args.alpha = 1;
      ASSERT_EQ(Backend().tensor->matmul(1, 0, &args, nullptr, nullptr), TENON_OK);
      if (threads == 1) first = c.bytes;
      ASSERT_EQ(first, c.bytes) << threads << " threads";
    }
    test_threads = 1;
  }
}

}  // namespace
}  // namespace tenon_cpu
