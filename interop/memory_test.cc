// The program's own memory as tensors, and back: shared is shown by writing through, ownership by
// counting deleters.
#include "tenon/interop/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/nested.h"
#include "tenon/tenon.h"

#if __has_include(<eigen3/Eigen/Core>)
#define TENON_TEST_HAS_EIGEN 1
#include <eigen3/Eigen/Core>  // where Debian has it; ./dev test installs it
#endif

namespace tenon {
namespace {

using interop::Report;
using interop::crafted::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Memory, SpanIsBorrowed) {
  std::array<float, 6> values{0, 1, 2, 3, 4, 5};
  Tensor t = from_span(std::span<float>(values), {2, 3});
  values[4] = 40;
  EXPECT_EQ(t.at({1, 1}).item(), 40);
  t.fill_(7);
  EXPECT_THAT(values, ElementsAre(7, 7, 7, 7, 7, 7));
  Tensor fixed = from_span(std::span<const float>(values));
  EXPECT_TRUE(fixed.read_only());
  EXPECT_THAT(error_of([&] { fixed.fill_(1); }), HasSubstr("read-only"));
  EXPECT_EQ(from_span(std::span<const float>()).size(), 0);
  EXPECT_THAT(error_of([&] { from_span(std::span<float>(values), {4}); }),
              HasSubstr("from_span: 6 values do not fill shape [4]"));
}

TEST(Memory, VectorIsTakenOver) {
  std::vector<int64_t> values{1, 2, 3, 4};
  const int64_t* where = values.data();
  EXPECT_THAT(error_of([&] { from_vector(std::move(values), {3}); }), HasSubstr("do not fill"));
  EXPECT_EQ(values.size(), 4u) << "a failure leaves the vector";
  const Tensor t = from_vector(std::move(values), {2, 2});
  EXPECT_EQ(t.raw_data(), where);
  EXPECT_EQ(t.text(), "tensor([[1, 2],\n        [3, 4]])");
  EXPECT_EQ(from_vector(std::vector<double>()).size(), 0);
  EXPECT_EQ(from_vector(std::vector<uint8_t>{1}).dtype(), DType::uint8);
}

TEST(Memory, PointerWithDeleterAndStrides) {
  int freed = 0;
  auto* columns = new double[6]{1, 4, 2, 5, 3, 6};
  {
    const Tensor t = from_pointer(columns, {2, 3}, {1, 2}, [&freed, columns] {
      ++freed;
      delete[] columns;
    });
    EXPECT_EQ(t.text(), "tensor([[1., 2., 3.],\n        [4., 5., 6.]], dtype=float64)");
    const Tensor view = t.at({0});
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
  const auto never = [] { std::abort(); };
  std::vector<std::byte> bytes(16);
  auto* odd = reinterpret_cast<float*>(bytes.data() + 1);
  EXPECT_THAT(error_of([&] { from_pointer(odd, {2}, {}, never); }), HasSubstr("not aligned"));
  EXPECT_THAT(error_of([&] { from_pointer(static_cast<float*>(nullptr), {2}, {}, never); }),
              HasSubstr("null memory for float32[2]"));
  EXPECT_THAT(error_of([&] {
                from_pointer(&freed, {2}, {1, 1}, never);
              }),
              HasSubstr("differ in length"));
  EXPECT_THAT(error_of([&] { from_pointer(&freed, {-2}, {}, never); }), HasSubstr("-2"));
}

TEST(Memory, BackToSpan) {
  Tensor t = tensor({1.f, 2.f, 3.f});
  const uint32_t before = t.version();
  EXPECT_THAT(as_span<float>(t), ElementsAre(1, 2, 3));
  EXPECT_EQ(t.version(), before);
  as_mutable_span<float>(t)[1] = 20;
  EXPECT_EQ(t.at({1}).item(), 20);
  EXPECT_EQ(t.version(), before + 1);
  EXPECT_THAT(error_of([&] { as_span<double>(t); }), HasSubstr("float32[3] on cpu is not float64"));
  EXPECT_THAT(error_of([&] { as_span<float>(t.at({Slice{.step = -1}})); }),
              HasSubstr("call contiguous() first"));
  EXPECT_THAT(error_of([&] { as_span<float>(Tensor()); }), HasSubstr("undefined"));
  const std::vector<float> table{1, 2};
  Tensor fixed = from_span(std::span<const float>(table));
  EXPECT_THAT(as_span<float>(fixed), ElementsAre(1, 2));
  EXPECT_THAT(error_of([&] { as_mutable_span<float>(fixed); }), HasSubstr("read-only"));
  EXPECT_TRUE(as_span<float>(zeros({0, 3})).empty());
}

TEST(Nested, AnyDepth) {
  EXPECT_EQ(tensor(std::vector<int64_t>{1, 2}).text(), "tensor([1, 2])");
  const std::vector<std::vector<float>> rows{{1, 2}, {3, 4}};
  EXPECT_EQ(tensor(rows).text(), "tensor([[1., 2.],\n        [3., 4.]])");
  EXPECT_EQ(Dims(tensor({{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}).shape()), (Dims{2, 2, 2}));
  EXPECT_EQ(tensor(std::vector<bool>{true, false}).text(), "tensor([ True, False])");
  EXPECT_EQ(Dims(tensor(std::vector<std::vector<std::vector<double>>>()).shape()), (Dims{0, 0, 0}));
  EXPECT_EQ(tensor(std::vector<Complex64>{{1, 2}}).dtype(), DType::complex64);
  EXPECT_THAT(error_of([] {
                tensor(std::vector<std::vector<float>>{{1, 2}, {3}});
              }),
              HasSubstr("tensor: expected sequence of length 2 at dim 1 (got 1)"));
  EXPECT_THAT(error_of([] {
                tensor({{{1, 2}}, {{3, 4}, {5, 6}}});
              }),
              HasSubstr("expected sequence of length 1 at dim 1 (got 2)"));
}

TEST(Nested, ListsOfTensors) {
  Tensor a = tensor({1.f, 2.f}), b = tensor({3.f, 4.f});
  a.requires_grad_();
  Report report;
  const std::vector<Tensor> both{a, b};
  const Tensor t = tensor(both, {}, &report);
  EXPECT_EQ(report.why, "tensor() always copies; the graph is kept");
  (t * tensor({{1.f, 10.f}, {100.f, 1000.f}})).sum().backward();
  EXPECT_EQ(a.grad().text(), "tensor([ 1., 10.])");
  const Tensor alone = tensor(a, {}, &report);
  EXPECT_TRUE(alone.is_leaf() && !alone.requires_grad() && !alone.shares_storage_with(a));
  EXPECT_TRUE(tensor(b, {.requires_grad = true}).requires_grad());
  EXPECT_EQ(tensor(std::vector<Tensor>()).text(), "tensor([])");
  EXPECT_EQ(tensor({ones({2}, DType::int32), ones({2}, DType::float64)}).dtype(), DType::float64);
  EXPECT_EQ(tensor({full({1}, 300, DType::int64)}, {.dtype = DType::int16}).dtype(), DType::int16);
  EXPECT_THAT(error_of([] { tensor({full({1}, 300, DType::int64)}, {.dtype = DType::uint8}); }),
              HasSubstr("value cannot be converted to type uint8 without overflow: 300"));
  EXPECT_THAT(error_of([&] { tensor({b}, {.dtype = DType::int32}); }), HasSubstr("astype()"));
  EXPECT_THAT(error_of([&] { tensor({b, Tensor()}); }), HasSubstr("undefined"));
  EXPECT_THAT(error_of([&] { tensor({b, ones({3})}); }), HasSubstr("[3]"));
}

#ifdef TENON_TEST_HAS_EIGEN
// docs/files.md shows these lines.
TEST(Eigen, MatricesBothWays) {
  Eigen::MatrixXf m(2, 3);  // columns first
  m << 1, 2, 3, 4, 5, 6;
  Tensor t = from_pointer(m.data(), {m.rows(), m.cols()}, {m.innerStride(), m.outerStride()},
                          [] {});  // m outlives t
  EXPECT_EQ(t.text(), "tensor([[1., 2., 3.],\n        [4., 5., 6.]])");
  t.at({0, 0}).fill_(9);
  EXPECT_EQ(m(0, 0), 9);

  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Tensor u = tensor({{1.f, 2.f}, {3.f, 4.f}});
  Eigen::Map<RowMajor> map(as_mutable_span<float>(u).data(), u.size(0), u.size(1));
  map *= 2;
  EXPECT_EQ(u.text(), "tensor([[2., 4.],\n        [6., 8.]])");
}
#endif

}  // namespace
}  // namespace tenon
