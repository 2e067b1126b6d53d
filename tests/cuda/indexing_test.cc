// gather and scatter through the plug-in, on its kernels compiled for this machine
// (fake_driver.cc), against loops that say what the ABI says.
#include <gtest/gtest.h>

#include <random>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tests/cuda/plugin_fixture.h"

namespace {

using Sizes = std::vector<int64_t>;

struct Tensor {
  std::vector<unsigned char> bytes;
  TenonTensor view = {};

  // `awkward`: gaps, and the last axis reversed.
  Tensor(uint32_t dtype, const Sizes& sizes, bool awkward = false) {
    view.dtype = dtype;
    view.rank = static_cast<uint32_t>(sizes.size());
    int64_t stride = awkward ? 2 : 1;
    for (size_t d = sizes.size(); d-- > 0;) {
      view.sizes[d] = sizes[d];
      view.strides[d] = stride;
      stride *= sizes[d] + (awkward ? 1 : 0);
    }
    bytes.assign(static_cast<size_t>(stride + 8) * item(), 0xEE);
    if (awkward) {
      const size_t d = sizes.size() - 1;
      view.offset = static_cast<uint64_t>(view.strides[d] * (sizes[d] - 1)) * item();
      view.strides[d] = -view.strides[d];
    }
  }
  size_t item() const { return tenon_dtype_size(view.dtype); }
  TenonTensor bound() {
    view.buffer = reinterpret_cast<TenonBuffer>(bytes.data());
    return view;
  }
  unsigned char* At(const Sizes& place) {
    int64_t at = static_cast<int64_t>(view.offset / item());
    for (size_t d = 0; d < place.size(); ++d) at += place[d] * view.strides[d];
    return bytes.data() + static_cast<size_t>(at) * item();
  }
  Sizes sizes() const { return Sizes(view.sizes, view.sizes + view.rank); }
};

template <class Body>
void ForEach(const Sizes& sizes, Body body) {
  Sizes place(sizes.size(), 0);
  for (;;) {
    body(place);
    size_t d = sizes.size();
    while (d > 0 && ++place[d - 1] == sizes[d - 1]) place[--d] = 0;
    if (d == 0) return;
  }
}

class IndexingTest : public PluginTest {
 protected:
  using Entry = TenonStatus (*)(TenonDevice, TenonStream, const TenonIndexArgs*, TenonCall*,
                                TenonError*) noexcept;

  // Small whole numbers in every part, so that sums are exact in any order.
  void FillValues(Tensor& t) {
    ForEach(t.sizes(), [&](const Sizes& place) {
      uint32_t part = t.view.dtype;
      size_t parts = 1;
      if (part == TENON_C64 || part == TENON_C128) {
        part = part == TENON_C64 ? TENON_F32 : TENON_F64;
        parts = 2;
      }
      for (size_t k = 0; k < parts; ++k) {
        uint64_t bits = random_() % 2;
        if (part != TENON_BOOL)
          bits = tenon_dtype_is_float(part)
                     ? tenon_double_to_bits(part, static_cast<double>(random_() % 5) - 2)
                     : random_() % 256;
        std::memcpy(t.At(place) + k * tenon_dtype_size(part), &bits, tenon_dtype_size(part));
      }
    });
  }
  void FillIndex(Tensor& t, int64_t bound) {
    ForEach(t.sizes(), [&](const Sizes& place) {
      const int64_t index =
          static_cast<int64_t>(random_() % static_cast<uint64_t>(2 * bound)) - bound;
      const auto narrow = static_cast<int32_t>(index);
      if (t.view.dtype == TENON_I64)
        std::memcpy(t.At(place), &index, 8);
      else
        std::memcpy(t.At(place), &narrow, 4);
    });
  }
  static int64_t Index(Tensor& t, const Sizes& place) {
    int64_t wide = 0;
    int32_t narrow = 0;
    if (t.view.dtype == TENON_I64)
      std::memcpy(&wide, t.At(place), 8);
    else
      std::memcpy(&narrow, t.At(place), 4), wide = narrow;
    return wide;
  }

  static void AddPart(uint32_t dtype, unsigned char* to, const unsigned char* from) {
    uint64_t a = 0, b = 0;
    const size_t item = tenon_dtype_size(dtype);
    std::memcpy(&a, to, item);
    std::memcpy(&b, from, item);
    const uint64_t sum = tenon_dtype_is_float(dtype)
                             ? tenon_double_to_bits(dtype, tenon_bits_to_double(dtype, a) +
                                                               tenon_bits_to_double(dtype, b))
                             : a + b;
    std::memcpy(to, &sum, item);
  }

  // One call, and the same by loops; `*wrong` gets what it left at out_of_range.
  void Check(bool scatter, uint32_t mode, uint32_t combine, Tensor& src, Tensor& index, Tensor& dst,
             uint32_t axis, int64_t expected_wrong = 0) {
    Tensor expected = dst;
    const int64_t bound = (scatter ? dst : src).view.sizes[axis];
    ForEach((scatter ? src : dst).sizes(), [&](const Sizes& place) {
      int64_t chosen = Index(index, mode == TENON_INDEX_ROWS ? Sizes{place[axis]} : place);
      if (chosen < 0) chosen += bound;
      Sizes other = place;
      other[axis] = std::min(std::max<int64_t>(chosen, 0), bound - 1);
      if (!scatter) {
        std::memcpy(expected.At(place), src.At(other), src.item());
      } else if (combine == TENON_SCATTER_ASSIGN) {
        std::memcpy(expected.At(other), src.At(place), src.item());
      } else if (src.view.dtype == TENON_C64 || src.view.dtype == TENON_C128) {
        const uint32_t part = src.view.dtype == TENON_C64 ? TENON_F32 : TENON_F64;
        for (const size_t at : {size_t{0}, src.item() / 2})
          AddPart(part, expected.At(other) + at, src.At(place) + at);
      } else {
        AddPart(src.view.dtype, expected.At(other), src.At(place));
      }
    });
    int64_t wrong[3] = {-1, 0, -1};
    TenonIndexArgs args = {};
    args.size = sizeof args;
    args.src = src.bound();
    args.index = index.bound();
    args.dst = dst.bound();
    args.axis = axis;
    args.mode = mode;
    args.combine = combine;
    args.out_of_range = reinterpret_cast<TenonBuffer>(wrong);
    args.out_of_range_offset = 8;
    TenonCall call = {};
    call.size = sizeof call;
    call.flags = TENON_CALL_DRY_RUN;
    const Entry entry = scatter ? backend_->tensor->scatter : backend_->tensor->gather;
    const int launches = fake_->launches;
    ASSERT_EQ(entry(device_, 0, &args, &call, &error_), TENON_OK) << error_.message;
    EXPECT_EQ(fake_->launches, launches) << "a dry run enqueues nothing";
    std::vector<unsigned char> workspace(call.workspace_bytes + 64, 0xCD);
    call.workspace = reinterpret_cast<TenonBuffer>(workspace.data());
    call.flags = TENON_CALL_DETERMINISTIC;
    ASSERT_EQ(entry(device_, 0, &args, &call, &error_), TENON_OK) << error_.message;
    ASSERT_EQ(dst.bytes, expected.bytes);
    EXPECT_EQ(wrong[0], -1);
    EXPECT_EQ(wrong[1], expected_wrong);
    EXPECT_EQ(wrong[2], -1);
    for (size_t i = call.workspace_bytes; i < workspace.size(); ++i)
      ASSERT_EQ(workspace[i], 0xCD) << "beyond the workspace";
  }

  std::minstd_rand random_;
};

TEST_F(IndexingTest, EveryDtypeModeAxisAndLayout) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (uint32_t dtype = TENON_BOOL; dtype <= TENON_C128; ++dtype) {
    for (uint32_t axis = 0; axis < 3; ++axis) {
      for (int variant = 0; variant < 8; ++variant) {
        const bool rows = (variant & 1) != 0, awkward = (variant & 2) != 0;
        const uint32_t index_dtype = (variant & 4) != 0 ? TENON_I64 : TENON_I32;
        Sizes chosen_sizes = {3, 4, 6}, walked_sizes = chosen_sizes;
        walked_sizes[axis] = 9;
        Tensor chosen(dtype, chosen_sizes, awkward), walked(dtype, walked_sizes, awkward);
        Tensor index(index_dtype, rows ? Sizes{9} : walked_sizes, awkward);
        FillValues(chosen);
        FillValues(walked);
        FillIndex(index, chosen_sizes[axis]);
        const uint32_t mode = rows ? TENON_INDEX_ROWS : TENON_INDEX_ALONG;
        Check(false, mode, 0, chosen, index, walked, axis);
        Check(true, mode, TENON_SCATTER_ASSIGN, walked, index, chosen, axis);
        if (dtype != TENON_BOOL) Check(true, mode, TENON_SCATTER_ADD, walked, index, chosen, axis);
        if (HasFatalFailure()) {
          ADD_FAILURE() << tenon_dtype_name(dtype) << " axis " << axis << " variant " << variant;
          return;
        }
      }
    }
  }
  Close();
}

// Runs that cross tiles, several blocks of the sort, several digits.
TEST_F(IndexingTest, ManyEntriesOfFewAndOfManyPlaces) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const int64_t places : {1, 3, 300, 70'000}) {
    for (const int64_t lanes : {1, 5}) {
      Tensor dst(TENON_F32, {places, lanes}), src(TENON_F32, {5000, lanes}),
          index(TENON_I32, {5000});
      FillValues(dst);
      FillValues(src);
      FillIndex(index, places);
      Check(true, TENON_INDEX_ROWS, TENON_SCATTER_ADD, src, index, dst, 0);
      Check(true, TENON_INDEX_ROWS, TENON_SCATTER_ASSIGN, src, index, dst, 0);
      if (HasFatalFailure()) {
        ADD_FAILURE() << places << " places, " << lanes << " lanes";
        return;
      }
    }
  }
  Close();
}

// Rounded sums in f32: the same bits whatever the order of blocks would be, and twice.
TEST_F(IndexingTest, SumsAreRoundedTheSameEveryTime) {
  ASSERT_NO_FATAL_FAILURE(Open());
  Tensor src(TENON_F32, {3000}), index(TENON_I64, {3000});
  FillIndex(index, 7);
  for (int64_t i = 0; i < 3000; ++i) {
    const float x = 1.0f / static_cast<float>(i + 1);
    std::memcpy(src.At({i}), &x, 4);
  }
  std::vector<unsigned char> first;
  for (int round = 0; round < 2; ++round) {
    Tensor dst(TENON_F32, {7});
    std::fill(dst.bytes.begin(), dst.bytes.end(), 0);
    int64_t wrong = 0;
    TenonIndexArgs args = {};
    args.size = sizeof args;
    args.src = src.bound();
    args.index = index.bound();
    args.dst = dst.bound();
    args.mode = TENON_INDEX_ALONG;
    args.combine = TENON_SCATTER_ADD;
    args.out_of_range = reinterpret_cast<TenonBuffer>(&wrong);
    std::vector<unsigned char> workspace(1 << 20, static_cast<unsigned char>(round));
    TenonCall call = {};
    call.size = sizeof call;
    call.workspace = reinterpret_cast<TenonBuffer>(workspace.data());
    call.workspace_bytes = workspace.size();
    ASSERT_EQ(backend_->tensor->scatter(device_, 0, &args, &call, &error_), TENON_OK)
        << error_.message;
    if (round == 0) first = dst.bytes;
    EXPECT_EQ(dst.bytes, first);
    for (int64_t k = 0; k < 7; ++k) {
      double sum = 0;
      for (int64_t i = 0; i < 3000; ++i) {
        if ((Index(index, {i}) + 7) % 7 == k) sum += 1.0 / static_cast<double>(i + 1);
      }
      float got = 0;
      std::memcpy(&got, dst.At({k}), 4);
      EXPECT_NEAR(got, sum, 1e-5);
    }
  }
  Close();
}

TEST_F(IndexingTest, TheFirstIndexOutOfRangeIsReportedAndClamped) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const bool scatter : {false, true}) {
    Tensor chosen(TENON_I32, {4, 2}), walked(TENON_I32, {600, 2}), index(TENON_I64, {600});
    FillValues(chosen);
    FillValues(walked);
    FillIndex(index, 4);
    for (const auto& [place, value] :
         {std::pair{300, 4}, std::pair{77, -5}, std::pair{599, 1000}}) {
      const int64_t wide = value;
      std::memcpy(index.At({place}), &wide, 8);
    }
    Check(scatter, TENON_INDEX_ROWS, TENON_SCATTER_ADD, scatter ? walked : chosen, index,
          scatter ? chosen : walked, 0, 78);
  }
  Close();
}

TEST_F(IndexingTest, WhatIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Open());
  Tensor src(TENON_BOOL, {3}), index(TENON_I64, {3}), dst(TENON_BOOL, {4});
  int64_t wrong = 0;
  TenonIndexArgs args = {};
  args.size = sizeof args;
  args.src = src.bound();
  args.index = index.bound();
  args.dst = dst.bound();
  args.combine = TENON_SCATTER_ADD;
  args.out_of_range = reinterpret_cast<TenonBuffer>(&wrong);
  TenonCall call = {};
  call.size = sizeof call;
  const auto scatter = [&] { return backend_->tensor->scatter(device_, 0, &args, &call, &error_); };
  EXPECT_EQ(scatter(), TENON_UNSUPPORTED) << "bools are not added";
  args.combine = TENON_SCATTER_ASSIGN;
  EXPECT_EQ(scatter(), TENON_INVALID_ARGUMENT) << "no workspace";
  args.index.dtype = TENON_F32;
  EXPECT_EQ(scatter(), TENON_INVALID_ARGUMENT);
  args.index.dtype = TENON_I64;
  args.axis = 1;
  EXPECT_EQ(scatter(), TENON_INVALID_ARGUMENT);
  args.axis = 0;
  args.mode = 7;
  EXPECT_EQ(scatter(), TENON_UNSUPPORTED);
  EXPECT_EQ(fake_->launches, 0);
  Close();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 2); }
