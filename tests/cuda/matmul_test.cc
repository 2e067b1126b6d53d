// matmul through the plug-in, on a fake cuBLASLt that multiplies by plain loops: which products it
// is asked for, and where it is told that the numbers lie. Judged by sums in complex<double>.
#include <gtest/gtest.h>

#include <complex>
#include <random>

#include "tenon/abi/tenon_kit_interpreter.h"
#include "tests/cuda/fake_cublaslt.h"
#include "tests/cuda/plugin_fixture.h"

namespace {

using Number = std::complex<double>;
using Sizes = std::vector<int64_t>;

bool IsComplex(uint32_t dtype) { return dtype >= TENON_C64; }

// A tensor over memory of its own, with any strides. Elements are small integers, exact in every
// dtype.
struct Tensor {
  std::vector<unsigned char> bytes;
  TenonTensor view = {};

  Tensor() = default;
  // Lays out the axes in `order` (last: closest together), `gap` elements apart beyond that;
  // an axis of `repeated` has stride 0.
  Tensor(uint32_t dtype, const Sizes& sizes, std::vector<size_t> order, int64_t gap = 0,
         uint32_t repeated = 0, bool reversed = false) {
    view.dtype = dtype;
    view.rank = static_cast<uint32_t>(sizes.size());
    int64_t stride = 1 + gap;
    for (size_t i = order.size(); i-- > 0;) {
      const size_t d = order[i];
      view.sizes[d] = sizes[d];
      if ((repeated >> d & 1u) != 0) continue;
      view.strides[d] = stride;
      stride *= sizes[d] + (i + 1 == order.size() ? gap : 0);
    }
    bytes.assign(static_cast<size_t>(stride + 8) * tenon_dtype_size(dtype), 0xEE);
    view.buffer = reinterpret_cast<TenonBuffer>(bytes.data());
    if (reversed) {
      const size_t d = sizes.size() - 1;
      view.offset =
          static_cast<uint64_t>(view.strides[d] * (sizes[d] - 1)) * tenon_dtype_size(dtype);
      view.strides[d] = -view.strides[d];
    }
  }
  int64_t At(const Sizes& place) const {
    int64_t at = static_cast<int64_t>(view.offset / tenon_dtype_size(view.dtype));
    for (size_t d = 0; d < place.size(); ++d) at += place[d] * view.strides[d];
    return at;
  }
  Number Get(const Sizes& place) const {
    const size_t item = tenon_dtype_size(view.dtype);
    const unsigned char* const p = bytes.data() + static_cast<size_t>(At(place)) * item;
    uint64_t bits[2] = {};
    std::memcpy(bits, p, item);
    if (view.dtype == TENON_C128)
      return {tenon_bits_to_double(TENON_F64, bits[0]), tenon_bits_to_double(TENON_F64, bits[1])};
    if (view.dtype == TENON_C64)
      return {tenon_bits_to_double(TENON_F32, bits[0] & 0xffffffffu),
              tenon_bits_to_double(TENON_F32, bits[0] >> 32)};
    return tenon_bits_to_double(view.dtype, bits[0]);
  }
  void Set(const Sizes& place, Number x) {
    const size_t item = tenon_dtype_size(view.dtype);
    uint64_t bits[2] = {};
    if (view.dtype == TENON_C128) {
      bits[0] = tenon_double_to_bits(TENON_F64, x.real());
      bits[1] = tenon_double_to_bits(TENON_F64, x.imag());
    } else if (view.dtype == TENON_C64) {
      bits[0] = tenon_double_to_bits(TENON_F32, x.real()) |
                tenon_double_to_bits(TENON_F32, x.imag()) << 32;
    } else {
      bits[0] = tenon_double_to_bits(view.dtype, x.real());
    }
    std::memcpy(bytes.data() + static_cast<size_t>(At(place)) * item, bits, item);
  }
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

class MatmulTest : public PluginTest {
 protected:
  MatmulTest() : lt_(State()) {
    *lt_ = FakeCublasLt{};
    host_.options["CUDA_CUBLASLT"] = TestFiles()[2];
  }
  static FakeCublasLt* State() {
    void* const library = dlopen(TestFiles()[2].c_str(), RTLD_NOW);
    return reinterpret_cast<FakeCublasLtFn>(dlsym(library, "tenon_fake_cublaslt"))();
  }

  void Fill(Tensor& t) {
    const Sizes sizes(t.view.sizes, t.view.sizes + t.view.rank);
    ForEach(sizes, [&](const Sizes& place) {
      const auto small = [&] { return static_cast<double>(random_() % 7) - 3; };
      const double re = small(), im = IsComplex(t.view.dtype) ? small() : 0;
      t.Set(place, {re, im});
    });
  }

  // c = epilogue(alpha a b + beta c + bias), and c's neighbours keep their bytes.
  void Check(Tensor& a, Tensor& b, Tensor& c, Tensor* bias, double alpha = 1, double beta = 0,
             uint32_t epilogue = TENON_EPILOGUE_NONE) {
    Fill(a);
    Fill(b);
    Fill(c);
    if (bias != nullptr) Fill(*bias);
    const Tensor before = c;
    TenonMatmulArgs args = {};
    args.size = sizeof args;
    args.a = a.view;
    args.b = b.view;
    args.c = c.view;
    if (bias != nullptr) args.bias = bias->view;
    args.alpha = alpha;
    args.beta = beta;
    args.epilogue = epilogue;
    TenonCall call = {};
    call.size = sizeof call;
    call.flags = TENON_CALL_DRY_RUN;
    const int products = lt_->products, launches = fake_->launches;
    ASSERT_EQ(backend_->tensor->matmul(device_, 0, &args, &call, &error_), TENON_OK)
        << error_.message;
    EXPECT_EQ(lt_->products, products) << "a dry run computes nothing";
    EXPECT_EQ(fake_->launches, launches);
    std::vector<unsigned char> workspace(call.workspace_bytes + 512, 0xCD);
    const auto start = (reinterpret_cast<uint64_t>(workspace.data()) + 255) / 256 * 256;
    call.flags = 0;
    call.workspace = start;
    ASSERT_EQ(backend_->tensor->matmul(device_, 0, &args, &call, &error_), TENON_OK)
        << error_.message;
    for (uint64_t i = start + call.workspace_bytes;
         i < reinterpret_cast<uint64_t>(workspace.data()) + workspace.size(); ++i)
      ASSERT_EQ(*reinterpret_cast<unsigned char*>(i), 0xCD) << "beyond the workspace";

    const uint32_t rank = c.view.rank;
    std::vector<bool> written(c.bytes.size(), false);
    ForEach(Sizes(c.view.sizes, c.view.sizes + rank), [&](const Sizes& place) {
      Number sum = 0;
      for (int64_t k = 0; k < a.view.sizes[rank - 1]; ++k) {
        Sizes in_a = place, in_b = place;
        in_a[rank - 1] = k;
        in_b[rank - 2] = k;
        sum += a.Get(in_a) * b.Get(in_b);
      }
      sum *= alpha;
      if (beta != 0) sum += beta * before.Get(place);
      if (bias != nullptr) sum += bias->Get(place);
      if (epilogue == TENON_EPILOGUE_RELU) sum = std::max(sum.real(), 0.0);
      // Every sum here is an integer that all dtypes hold.
      EXPECT_EQ(c.Get(place), sum) << testing::PrintToString(place);
      const size_t item = tenon_dtype_size(c.view.dtype);
      for (size_t i = 0; i < item; ++i) written[static_cast<size_t>(c.At(place)) * item + i] = true;
    });
    for (size_t i = 0; i < c.bytes.size(); ++i) {
      if (written[i]) continue;
      ASSERT_EQ(c.bytes[i], before.bytes[i]) << "byte " << i << " is not c's";
    }
  }

  FakeCublasLt* lt_;
  std::minstd_rand random_;
};

TEST_F(MatmulTest, EveryDtypeAndEveryOrderOfTheAxes) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const uint32_t dtype :
       {TENON_F16, TENON_BF16, TENON_F32, TENON_F64, TENON_C64, TENON_C128}) {
    for (int orders = 0; orders < 8; ++orders) {
      const auto order = [&](int bit) {
        return (orders >> bit & 1) != 0 ? std::vector<size_t>{1, 0} : std::vector<size_t>{0, 1};
      };
      Tensor a(dtype, {5, 3}, order(0)), b(dtype, {3, 7}, order(1)), c(dtype, {5, 7}, order(2));
      const int launches = fake_->launches;
      Check(a, b, c, nullptr);
      if (HasFatalFailure()) return;
      EXPECT_EQ(fake_->launches, launches) << "nothing is copied: transposes are strides";
    }
  }
  Close();
  EXPECT_EQ(lt_->live_handles, 0);
}

TEST_F(MatmulTest, StridesThatNoBlasTakesAreCopied) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const uint32_t dtype : {TENON_BF16, TENON_F32, TENON_C128}) {
    Tensor a(dtype, {2, 5, 3}, {0, 1, 2}, 1), b(dtype, {2, 3, 7}, {0, 1, 2}, 0, 2u),
        c(dtype, {2, 5, 7}, {0, 1, 2}, 2);
    Check(a, b, c, nullptr);
    Check(a, b, c, nullptr, 2, 3);
    Tensor reversed(dtype, {2, 3, 7}, {0, 1, 2}, 0, 0, true);
    Check(a, reversed, c, nullptr);
  }
  Close();
}

TEST_F(MatmulTest, Batches) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto products = [&](Tensor a, Tensor b, Tensor c) {
    const int before = lt_->products;
    Check(a, b, c, nullptr);
    return lt_->products - before;
  };
  constexpr uint32_t F = TENON_F32;
  EXPECT_EQ(products(Tensor(F, {4, 5, 3}, {0, 1, 2}), Tensor(F, {4, 3, 7}, {0, 1, 2}),
                     Tensor(F, {4, 5, 7}, {0, 1, 2})),
            1)
      << "a strided batch";
  EXPECT_EQ(products(Tensor(F, {2, 4, 5, 3}, {0, 1, 2, 3}), Tensor(F, {2, 4, 3, 7}, {0, 1, 2, 3}),
                     Tensor(F, {2, 4, 5, 7}, {0, 1, 2, 3})),
            1)
      << "two batch axes that are one";
  EXPECT_EQ(
      products(Tensor(F, {2, 4, 5, 3}, {0, 1, 2, 3}), Tensor(F, {2, 4, 3, 7}, {0, 1, 2, 3}, 0, 3u),
               Tensor(F, {2, 4, 5, 7}, {0, 1, 2, 3})),
      1)
      << "one matrix for all: more rows";
  EXPECT_EQ(products(Tensor(F, {4, 1, 3}, {0, 1, 2}), Tensor(F, {4, 3, 7}, {0, 1, 2}, 0, 1u),
                     Tensor(F, {4, 1, 7}, {0, 1, 2})),
            1)
      << "of one row each";
  EXPECT_EQ(products(Tensor(F, {2, 4, 5, 3}, {1, 0, 2, 3}), Tensor(F, {2, 4, 3, 7}, {0, 1, 2, 3}),
                     Tensor(F, {2, 4, 5, 7}, {0, 1, 2, 3})),
            2)
      << "batch axes that are not one: a loop around";
  EXPECT_EQ(products(Tensor(F, {3, 2, 2, 3}, {2, 0, 3, 1}), Tensor(F, {3, 2, 3, 4}, {3, 1, 2, 0}),
                     Tensor(F, {3, 2, 2, 4}, {1, 3, 0, 2})),
            3);
  Close();
}

TEST_F(MatmulTest, BiasEpilogueAlphaAndBeta) {
  ASSERT_NO_FATAL_FAILURE(Open());
  for (const uint32_t dtype : {TENON_F16, TENON_F32, TENON_F64, TENON_C64}) {
    for (const bool transposed : {false, true}) {
      const std::vector<size_t> order =
          transposed ? std::vector<size_t>{0, 2, 1} : std::vector<size_t>{0, 1, 2};
      Tensor a(dtype, {2, 5, 3}, {0, 1, 2}), b(dtype, {2, 3, 7}, {0, 1, 2}),
          c(dtype, {2, 5, 7}, order), row(dtype, {2, 5, 7}, {0, 1, 2}, 0, 3u),
          full(dtype, {2, 5, 7}, {0, 1, 2});
      Check(a, b, c, &row);
      Check(a, b, c, &full);
      Check(a, b, c, nullptr, 2, -1);
      if (dtype == TENON_F16 || dtype == TENON_F32) {
        Check(a, b, c, nullptr, 1, 0, TENON_EPILOGUE_RELU);
        if (!transposed) Check(a, b, c, &row, 1, 2, TENON_EPILOGUE_RELU);
      }
    }
  }
  Close();
}

TEST_F(MatmulTest, TheAlgorithmIsAskedForOncePerProblem) {
  ASSERT_NO_FATAL_FAILURE(Open());
  Tensor a(TENON_F32, {5, 3}, {0, 1}), b(TENON_F32, {3, 7}, {0, 1}), c(TENON_F32, {5, 7}, {0, 1});
  for (int i = 0; i < 3; ++i) Check(a, b, c, nullptr);
  EXPECT_EQ(lt_->searches, 1);
  Close();
}

TEST_F(MatmulTest, Tf32OnlyWhenAllowed) {
  ASSERT_NO_FATAL_FAILURE(Open());
  Tensor a(TENON_F32, {5, 3}, {0, 1}), b(TENON_F32, {3, 7}, {0, 1}), c(TENON_F32, {5, 7}, {0, 1});
  Check(a, b, c, nullptr);
  EXPECT_EQ(lt_->last_compute, 68) << "CUBLAS_COMPUTE_32F";
  host_.options["ALLOW_TF32"] = "1";
  Check(a, b, c, nullptr);
  EXPECT_EQ(lt_->last_compute, 77) << "CUBLAS_COMPUTE_32F_FAST_TF32";
  Close();
}

TEST_F(MatmulTest, WhatIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Open());
  Tensor a(TENON_F32, {5, 3}, {0, 1}), b(TENON_F32, {3, 7}, {0, 1}), c(TENON_F32, {5, 7}, {0, 1});
  TenonMatmulArgs args = {};
  args.size = sizeof args;
  args.a = a.view;
  args.b = b.view;
  args.c = c.view;
  args.alpha = 1;
  TenonCall call = {};
  call.size = sizeof call;
  const auto status = [&] { return backend_->tensor->matmul(device_, 0, &args, &call, &error_); };
  EXPECT_EQ(status(), TENON_INVALID_ARGUMENT) << "no workspace";
  EXPECT_NE(std::string(error_.message).find("ask by a dry run"), std::string::npos);
  args.b.sizes[0] = 4;
  EXPECT_EQ(status(), TENON_INVALID_ARGUMENT);
  args.b = b.view;
  args.epilogue = 99;
  EXPECT_EQ(status(), TENON_UNSUPPORTED);
  args.epilogue = 0;
  args.a.dtype = args.b.dtype = args.c.dtype = TENON_I32;
  EXPECT_EQ(status(), TENON_UNSUPPORTED);
  EXPECT_NE(std::string(error_.message).find("i32"), std::string::npos) << error_.message;
  EXPECT_EQ(lt_->products, 0);
  Close();
}

TEST_F(MatmulTest, WithoutCublasLtTheLibraryIsNamed) {
  host_.options["CUDA_CUBLASLT"] = "/nowhere/libcublasLt.so.13";
  ASSERT_NO_FATAL_FAILURE(Open());
  TenonMatmulArgs args = {};
  args.size = sizeof args;
  Tensor a(TENON_F32, {2, 2}, {0, 1});
  args.a = args.b = args.c = a.view;
  TenonCall call = {};
  call.size = sizeof call;
  EXPECT_EQ(backend_->tensor->matmul(device_, 0, &args, &call, &error_), TENON_UNSUPPORTED);
  EXPECT_STREQ(
      error_.message,
      "cuda: no matmul: the CUDA Toolkit's libcublasLt, release 12 or 13, is needed; tried: "
      "/nowhere/libcublasLt.so.13: not found");
  Close();
}

}  // namespace

int main(int argc, char** argv) { return RunPluginTests(argc, argv, 3); }
