// gather and scatter against loops over positions: every dtype, axis and mode, any strides,
// repeated and negative indices, indices out of range, order of assignments and additions; threads.
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/cpu/test_device.h"
#include "backends/cpu/test_reference.h"

namespace tenon_cpu {
namespace {

using Random = std::mt19937_64;

// With `shuffled`: axes in any order of memory, some of them backwards, perhaps with gaps; what is
// only read may also be the same along an axis.
struct Tensor {
  std::vector<char> bytes;
  TenonTensor abi = {};
  int64_t first = 0;  // elements before the one at position 0
  Tensor(uint32_t dtype, const std::vector<int64_t>& sizes, Random& random, bool shuffled,
         bool is_written) {
    abi.dtype = dtype;
    abi.rank = static_cast<uint32_t>(sizes.size());
    std::copy(sizes.begin(), sizes.end(), abi.sizes);
    std::vector<size_t> order;
    for (size_t d = sizes.size(); d-- > 0;) order.push_back(d);
    if (shuffled) std::shuffle(order.begin(), order.end(), random);
    int64_t next = shuffled && random() % 2 == 0 ? 2 : 1;
    for (size_t d : order) {
      if (shuffled && !is_written && random() % 4 == 0) continue;
      abi.strides[d] = next;
      next *= sizes[d];
      if (!shuffled || random() % 3 != 0) continue;
      first += abi.strides[d] * (sizes[d] - 1);
      abi.strides[d] = -abi.strides[d];
    }
    bytes.assign(static_cast<size_t>(next + 2) * tenon_dtype_size(dtype), 0x11);
  }
  char* At(int64_t offset) {
    return bytes.data() + (first + offset) * static_cast<int64_t>(tenon_dtype_size(abi.dtype));
  }
  const TenonTensor& Bind() {
    abi.buffer = reinterpret_cast<TenonBuffer>(bytes.data());
    abi.offset = static_cast<uint64_t>(At(0) - bytes.data());
    return abi;
  }
};

uint32_t PartOf(uint32_t dtype) {
  if (dtype == TENON_C64) return TENON_F32;
  if (dtype == TENON_C128) return TENON_F64;
  return dtype;
}

void Randomise(Tensor& t, Random& random) {
  const uint32_t part = PartOf(t.abi.dtype);
  for (size_t i = 0; i < t.bytes.size() / tenon_dtype_size(part); ++i) {
    WriteBits(t.bytes.data(), part, static_cast<int64_t>(i),
              tenon_dtype_is_float(part) ? BitsOf(part, static_cast<Real>(random() % 64) - 32)
                                         : RandomValue(part, random));
  }
}

void Add(uint32_t dtype, char* to, const char* from) {
  const uint32_t part = PartOf(dtype);
  const TenonInstr add = Instr(TENON_OP_ADD, part);
  for (int64_t p = 0; p < (part == dtype ? 1 : 2); ++p)
    WriteBits(to, part, p, Reference(add, part, ReadBits(to, part, p), ReadBits(from, part, p), 0));
}

void RunIndex(bool scatter, uint32_t dtype, const std::vector<int64_t>& sizes, uint32_t axis,
              int64_t bound, uint32_t mode, uint32_t combine, bool shuffled, bool out_of_range,
              Random& random) {
  std::vector<int64_t> selected_sizes = sizes;
  selected_sizes[axis] = bound;
  Tensor enumerated(dtype, sizes, random, shuffled, !scatter),
      selected(dtype, selected_sizes, random, shuffled, scatter);
  Tensor index(random() % 2 == 0 ? TENON_I32 : TENON_I64,
               mode == TENON_INDEX_ROWS ? std::vector<int64_t>{sizes[axis]} : sizes, random,
               shuffled, false);
  Randomise(enumerated, random);
  Randomise(selected, random);
  const size_t n_index = index.bytes.size() / tenon_dtype_size(index.abi.dtype);
  for (size_t i = 0; i < n_index; ++i) {
    int64_t v = static_cast<int64_t>(random() % static_cast<uint64_t>(2 * bound)) - bound;
    if (out_of_range && random() % 10 == 0) v = random() % 2 == 0 ? bound + 3 : -bound - 1;
    WriteBits(index.bytes.data(), index.abi.dtype, static_cast<int64_t>(i),
              static_cast<uint64_t>(v));
  }
  Tensor want_enumerated = enumerated, want_selected = selected;
  int64_t want_bad = 0;
  TenonPosition at = FirstPosition(sizes);
  int64_t position = 0;
  do {
    const int64_t place = mode == TENON_INDEX_ROWS ? at.at[axis] * index.abi.strides[0]
                                                   : tenon_position_offset(&at, index.abi.strides);
    int64_t v = static_cast<int64_t>(
        IntOf(index.abi.dtype, ReadBits(index.bytes.data(), index.abi.dtype, index.first + place)));
    v += v < 0 ? bound : 0;
    if (v < 0 || v >= bound) {
      if (want_bad == 0)
        want_bad = 1 + (mode == TENON_INDEX_ROWS ? at.at[axis] : position);
      else if (mode == TENON_INDEX_ROWS)
        want_bad = std::min(want_bad, 1 + at.at[axis]);
      v = std::clamp<int64_t>(v, 0, bound - 1);
    }
    TenonPosition there = at;
    there.at[axis] = v;
    char* e = want_enumerated.At(tenon_position_offset(&at, enumerated.abi.strides));
    char* s = want_selected.At(tenon_position_offset(&there, selected.abi.strides));
    const size_t item = tenon_dtype_size(dtype);
    if (!scatter)
      std::memcpy(e, s, item);
    else if (combine == TENON_SCATTER_ASSIGN)
      std::memcpy(s, e, item);
    else
      Add(dtype, s, e);
    ++position;
  } while (tenon_position_next(&at));
  int64_t bad[2] = {0, 0};
  TenonIndexArgs args = {};
  args.size = sizeof args;
  args.src = scatter ? enumerated.Bind() : selected.Bind();
  args.dst = scatter ? selected.Bind() : enumerated.Bind();
  args.index = index.Bind();
  args.axis = axis;
  args.mode = mode;
  args.combine = combine;
  args.out_of_range = reinterpret_cast<TenonBuffer>(bad);
  args.out_of_range_offset = 8;
  TenonError error = {sizeof error, 0, {}};
  const auto fn = scatter ? Backend().tensor->scatter : Backend().tensor->gather;
  TenonCall dry = {sizeof dry, TENON_CALL_DRY_RUN, 0, 0, 0};
  const auto untouched = scatter ? selected.bytes : enumerated.bytes;
  ASSERT_EQ(fn(1, 0, &args, &dry, &error), TENON_OK) << error.message;
  ASSERT_EQ(scatter ? selected.bytes : enumerated.bytes, untouched);
  ASSERT_EQ(fn(1, 0, &args, nullptr, &error), TENON_OK) << error.message;
  ASSERT_EQ(bad[1], want_bad);
  ASSERT_EQ(enumerated.bytes, want_enumerated.bytes)
      << tenon_dtype_name(dtype) << " axis " << axis << " mode " << mode;
  ASSERT_EQ(selected.bytes, want_selected.bytes)
      << tenon_dtype_name(dtype) << " axis " << axis << " mode " << mode << " combine " << combine;
}

TEST(Gather, EveryDtypeAxisAndMode) {
  Random random(1);
  for (uint32_t dtype = TENON_BOOL; dtype <= TENON_C128; ++dtype) {
    for (const std::vector<int64_t>& sizes :
         {std::vector<int64_t>{9}, {40}, {6, 5}, {5, 40}, {20, 17}, {3, 4, 5}, {2, 3, 2, 4}}) {
      for (uint32_t axis = 0; axis < sizes.size(); ++axis) {
        for (uint32_t mode : {TENON_INDEX_ROWS, TENON_INDEX_ALONG}) {
          for (int trial = 0; trial < 4; ++trial) {
            ASSERT_NO_FATAL_FAILURE(RunIndex(false, dtype, sizes, axis,
                                             1 + static_cast<int64_t>(random() % 9), mode, 0,
                                             trial % 2 == 1, trial >= 2, random));
            ASSERT_NO_FATAL_FAILURE(
                RunIndex(true, dtype, sizes, axis, 1 + static_cast<int64_t>(random() % 9), mode,
                         TENON_SCATTER_ASSIGN, trial % 2 == 1, trial >= 2, random));
            if (dtype == TENON_BOOL) continue;
            ASSERT_NO_FATAL_FAILURE(
                RunIndex(true, dtype, sizes, axis, 1 + static_cast<int64_t>(random() % 9), mode,
                         TENON_SCATTER_ADD, trial % 2 == 1, trial >= 2, random));
          }
        }
      }
    }
  }
}

TEST(Gather, LargeWithThreads) {
  Random random(2);
  for (int threads : {1, 2, 3, 5}) {
    test_threads = threads;
    for (uint32_t mode : {TENON_INDEX_ROWS, TENON_INDEX_ALONG}) {
      for (uint32_t axis : {0u, 1u}) {
        ASSERT_NO_FATAL_FAILURE(
            RunIndex(false, TENON_F32, {500, 300}, axis, 77, mode, 0, false, true, random));
        ASSERT_NO_FATAL_FAILURE(RunIndex(true, TENON_F32, {500, 300}, axis, 77, mode,
                                         TENON_SCATTER_ADD, false, true, random));
        ASSERT_NO_FATAL_FAILURE(RunIndex(true, TENON_F32, {500, 300}, axis, 77, mode,
                                         TENON_SCATTER_ASSIGN, false, true, random));
      }
    }
  }
  test_threads = 1;
}

TEST(Gather, ManySingleElements) {
  Random random(3);
  for (int threads : {1, 3}) {
    test_threads = threads;
    for (uint32_t dtype : {TENON_U8, TENON_BF16, TENON_F32, TENON_I64, TENON_C128}) {
      for (bool shuffled : {false, true}) {
        for (uint32_t mode : {TENON_INDEX_ROWS, TENON_INDEX_ALONG}) {
          ASSERT_NO_FATAL_FAILURE(
              RunIndex(false, dtype, {50000}, 0, 3000, mode, 0, shuffled, !shuffled, random));
          for (uint32_t combine : {TENON_SCATTER_ASSIGN, TENON_SCATTER_ADD}) {
            ASSERT_NO_FATAL_FAILURE(RunIndex(true, dtype, {50000}, 0, 3000, mode, combine, shuffled,
                                             !shuffled, random));
          }
        }
      }
    }
  }
  test_threads = 1;
}

TEST(Gather, TheFirstOfManyIndicesOutOfRange) {
  // Positions far apart, in the pieces of several threads; the greatest and least integers.
  test_threads = 4;
  constexpr int64_t n = 200000;
  for (bool wide : {false, true}) {
    std::vector<int64_t> index(n, 1);
    std::vector<int32_t> narrow(n, 1);
    for (int64_t at : {n - 1, n / 2, int64_t{77777}}) {
      index[static_cast<size_t>(at)] = at % 2 == 0 ? INT64_MAX : INT64_MIN;
      narrow[static_cast<size_t>(at)] = at % 2 == 0 ? INT32_MAX : INT32_MIN;
      std::vector<float> from = {10, 11, 12}, to(n);
      int64_t bad = 0;
      const auto line = [](const void* data, uint32_t dtype, int64_t size) {
        TenonTensor t = {};
        t.buffer = reinterpret_cast<TenonBuffer>(data);
        t.dtype = dtype;
        t.rank = 1;
        t.sizes[0] = size;
        t.strides[0] = 1;
        return t;
      };
      TenonIndexArgs args = {};
      args.size = sizeof args;
      args.src = line(from.data(), TENON_F32, 3);
      args.dst = line(to.data(), TENON_F32, n);
      args.index = wide ? line(index.data(), TENON_I64, n) : line(narrow.data(), TENON_I32, n);
      args.out_of_range = reinterpret_cast<TenonBuffer>(&bad);
      ASSERT_EQ(Backend().tensor->gather(1, 0, &args, nullptr, nullptr), TENON_OK);
      EXPECT_EQ(bad, 1 + at);
      EXPECT_EQ(to[static_cast<size_t>(at)], at % 2 == 0 ? 12 : 10);
      EXPECT_EQ(to[1], 11);
    }
  }
  test_threads = 1;
}

}  // namespace
}  // namespace tenon_cpu
