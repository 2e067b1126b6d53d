// Proves that arrays print as PyTorch 2.15 prints them (the expected texts were taken from it,
// "torch." removed from dtypes), and that a tensor of any layout on any device prints as its
// elements do, unchanged by it.
#include "tenon/tensor/print.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <locale>
#include <numeric>
#include <sstream>
#include <vector>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/tensor.h"
#include "tests/test_device.h"

namespace tenon {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// As tensor(...) prints it, without what follows the brackets.
template <class T>
std::string printed(const Dims& shape, const std::vector<T>& values) {
  return "tensor(" + array_text(dtype_of<T>(), shape, contiguous_strides(shape), values.data(), 7) +
         ")";
}
template <class T>
std::string printed(const std::vector<T>& values) {
  return printed(Dims{static_cast<int64_t>(values.size())}, values);
}
template <class T>
std::vector<T> counted(int64_t n) {
  std::vector<T> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), T(0));
  return values;
}

TEST(ArrayText, Integers) {
  EXPECT_EQ(printed<int64_t>({1, 2, 3}), "tensor([1, 2, 3])");
  EXPECT_EQ(printed<int32_t>({1, -20}), "tensor([  1, -20])");
  EXPECT_EQ(printed<uint8_t>({0, 255}), "tensor([  0, 255])");
  EXPECT_EQ(printed<int8_t>({-128, 65}), "tensor([-128,   65])");
  EXPECT_EQ(printed<uint64_t>({UINT64_MAX}), "tensor([18446744073709551615])");
  EXPECT_EQ(printed<int64_t>({INT64_MIN, INT64_MAX}),
            "tensor([-9223372036854775808,  9223372036854775807])");
  EXPECT_EQ(printed<int64_t>(Dims{}, {7}), "tensor(7)");
}

TEST(ArrayText, Bools) {
  const uint8_t bytes[] = {1, 0, 2};  // 2: memory of others
  EXPECT_EQ(array_text(DType::bool_, Dims{3}, Dims{1}, bytes), "[ True, False,  True]");
}

TEST(ArrayText, FloatsShareOneFormat) {
  EXPECT_EQ(printed<float>({1, 2, 3}), "tensor([1., 2., 3.])");
  EXPECT_EQ(printed<float>({0.1f, 0.25f, -1 / 3.0f}), "tensor([ 0.1000,  0.2500, -0.3333])");
  EXPECT_EQ(printed<float>(Dims{}, {3}), "tensor(3.)");
  EXPECT_EQ(printed<float>(Dims{}, {3.25}), "tensor(3.2500)");
  EXPECT_EQ(printed<float>({0.0f, -0.0f}), "tensor([0., -0.])");
  EXPECT_EQ(printed<BFloat16>({BFloat16(0.1f), BFloat16(1)}), "tensor([0.1001, 1.0000])");
}

TEST(ArrayText, ScientificWhereTheRangeNeedsIt) {
  EXPECT_EQ(printed<float>({1e-5f, 1}), "tensor([1.0000e-05, 1.0000e+00])");
  EXPECT_EQ(printed<float>({1, 2000.5f}), "tensor([1.0000e+00, 2.0005e+03])");
  EXPECT_EQ(printed<float>({1, 100000}), "tensor([1.0000e+00, 1.0000e+05])");
  EXPECT_EQ(printed<float>({2e8f, 1e8f}), "tensor([2.0000e+08, 1.0000e+08])");
  EXPECT_EQ(printed<Half>({Half(1.5f), Half(2), Half(65504)}),
            "tensor([1.5000e+00, 2.0000e+00, 6.5504e+04])");
  EXPECT_EQ(printed<double>({1e-300, 1e300}), "tensor([1.0000e-300, 1.0000e+300])");
  EXPECT_EQ(printed<float>({1, 1000}),
            "tensor([   1., 1000.])");  // 1000 times is not more than 1000
}

TEST(ArrayText, NanAndInfinity) {
  EXPECT_EQ(printed<float>({kNan, 1, -kInf, kInf, 0.5f}),
            "tensor([   nan, 1.0000,   -inf,    inf, 0.5000])");
  EXPECT_EQ(printed<float>({kNan, 1, kInf}), "tensor([nan, 1., inf])");
  EXPECT_EQ(printed<double>({-std::nan("")}), "tensor([nan])");
}

TEST(ArrayText, Complex) {
  EXPECT_EQ(printed<Complex64>({{1, 2}, {3, -4}}), "tensor([1.+2.j, 3.-4.j])");
  EXPECT_EQ(printed<Complex64>({{1.5f, 2}, {3, -4}}), "tensor([1.5000+2.j, 3.0000-4.j])");
  EXPECT_EQ(printed<Complex128>(Dims{}, {{1, -2}}), "tensor(1.-2.j)");
}

TEST(ArrayText, RowsAndBlocks) {
  EXPECT_EQ(printed<float>({2, 2}, {1, 2, 3, 4}), R"(tensor([[1., 2.],
        [3., 4.]]))");
  EXPECT_EQ(printed<int64_t>({2, 3, 2}, counted<int64_t>(12)), R"(tensor([[[ 0,  1],
         [ 2,  3],
         [ 4,  5]],

        [[ 6,  7],
         [ 8,  9],
         [10, 11]]]))");
  EXPECT_EQ(printed<int64_t>({2, 2, 1, 2}, counted<int64_t>(8)), R"(tensor([[[[0, 1]],

         [[2, 3]]],


        [[[4, 5]],

         [[6, 7]]]]))");
}

TEST(ArrayText, LongRowsBreakAtEightyCharacters) {
  EXPECT_EQ(printed(counted<int64_t>(30)),
            R"(tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]))");
}

TEST(ArrayText, EmptyArraysAreBrackets) {
  EXPECT_EQ(array_text(DType::float32, Dims{0}, Dims{1}, nullptr), "[]");
  EXPECT_EQ(array_text(DType::float32, Dims{3, 0, 2}, Dims{0, 2, 1}, nullptr), "[]");
}

TEST(ArrayText, MoreThanAThousandElementsAreSummarised) {
  EXPECT_EQ(printed(counted<int64_t>(1000)).find("..."), std::string::npos);
  EXPECT_EQ(printed(counted<int64_t>(1001)), "tensor([   0,    1,    2,  ...,  998,  999, 1000])");
  EXPECT_EQ(printed(counted<float>(1001)),
            "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])");
  EXPECT_EQ(printed<int64_t>({10, 2, 100}, counted<int64_t>(2000)),
            R"(tensor([[[   0,    1,    2,  ...,   97,   98,   99],
         [ 100,  101,  102,  ...,  197,  198,  199]],

        [[ 200,  201,  202,  ...,  297,  298,  299],
         [ 300,  301,  302,  ...,  397,  398,  399]],

        [[ 400,  401,  402,  ...,  497,  498,  499],
         [ 500,  501,  502,  ...,  597,  598,  599]],

        ...,

        [[1400, 1401, 1402,  ..., 1497, 1498, 1499],
         [1500, 1501, 1502,  ..., 1597, 1598, 1599]],

        [[1600, 1601, 1602,  ..., 1697, 1698, 1699],
         [1700, 1701, 1702,  ..., 1797, 1798, 1799]],

        [[1800, 1801, 1802,  ..., 1897, 1898, 1899],
         [1900, 1901, 1902,  ..., 1997, 1998, 1999]]]))");
  EXPECT_EQ(printed<float>({100, 100}, counted<float>(10000)).substr(0, 96),
            R"(tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 9.7000e+01, 9.8000e+01,
         9.9000e+01],)");
}

TEST(ArrayText, AnyStrides) {
  const auto values = counted<float>(6);
  EXPECT_EQ(array_text(DType::float32, Dims{3, 2}, Dims{1, 3}, values.data()),
            "[[0., 3.],\n [1., 4.],\n [2., 5.]]");
  EXPECT_EQ(array_text(DType::float32, Dims{3}, Dims{-2}, values.data() + 5), "[5., 3., 1.]");
  EXPECT_EQ(array_text(DType::float32, Dims{2, 2}, Dims{0, 0}, values.data() + 1),
            "[[1., 1.],\n [1., 1.]]");
  // A million million elements, of which 36 are read.
  EXPECT_EQ(
      array_text(DType::float32, Dims{1000000, 1000000}, Dims{0, 0}, values.data()).substr(0, 37),
      "[[0., 0., 0.,  ..., 0., 0., 0.],\n [0.");
}

// --- tensors ---

// `text` with the device of the tests added, where it is not the cpu.
std::string here(std::string text) {
  const std::string device = test_device().text();
  if (device == "cpu") return text;
  return text.insert(
      text.rfind(']') == std::string::npos ? text.find_first_of(",)") : text.rfind(']') + 1,
      ", device='" + device + "'");
}

TEST(TensorText, SaysWhatIsNotObvious) {
  const Device d = test_device();
  EXPECT_EQ(tensor({1.0f, 2.0f}, d).text(), here("tensor([1., 2.])"));
  EXPECT_EQ(tensor({1, 2}, d).text(), here("tensor([1, 2], dtype=int32)"));
  EXPECT_EQ(tensor({1.5, 2.0}, d).text(), here("tensor([1.5000, 2.0000], dtype=float64)"));
  EXPECT_EQ(tensor({true, false}, d).text(), here("tensor([ True, False])"));
  EXPECT_EQ(tensor(3.0f, d).text(), here("tensor(3.)"));
  EXPECT_EQ(empty(Dims{0}, DType::float32, d).text(), here("tensor([])"));
  EXPECT_EQ(empty(Dims{2, 0}, DType::float32, d).text(), here("tensor([], size=(2, 0))"));
  EXPECT_EQ(empty(Dims{0}, DType::int64, d).text(), here("tensor([], dtype=int64)"));
  EXPECT_EQ(empty(Dims{0, 3}, DType::bool_, d).text(), here("tensor([], size=(0, 3), dtype=bool)"));
  EXPECT_EQ(Tensor().text(), "tensor(undefined)");
}

TEST(TensorText, SaysHowItWasMade) {
  const Tensor x = tensor({1.0f, 2.0f}, test_device()).requires_grad_();
  EXPECT_EQ(x.text(), here("tensor([1., 2.], requires_grad=True)"));
  EXPECT_EQ((x * x).text(), here("tensor([1., 4.], grad_fn=<multiply>)"));
  EXPECT_EQ(sum(x * x).text(), here("tensor(5., grad_fn=<sum>)"));
  EXPECT_EQ(x.detach().text(), here("tensor([1., 2.])"));
}

TEST(TensorText, LongSuffixesGoToALineOfTheirOwn) {
  const Tensor t = full(Dims{2, 8}, 1.5, DType::float64).requires_grad_();
  EXPECT_EQ(t.text(), R"(tensor([[1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],
        [1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000]],
       dtype=float64, requires_grad=True))");
}

// The brackets of a tensor's text.
std::string bracketed(const Tensor& t) {
  const std::string text = t.text();
  return text.substr(7, text.rfind(']') - 6);
}

TEST(TensorText, AnyLayoutOnAnyDevice) {
  const auto values = counted<float>(2400);
  const Tensor x = from_host(DType::float32, Dims{40, 60}, values.data(), test_device());
  const auto expect = [&](const Tensor& t, const Dims& strides, int64_t offset) {
    EXPECT_EQ(bracketed(t),
              array_text(DType::float32, t.shape(), strides, values.data() + offset, 7));
  };
  expect(x, {60, 1}, 0);
  expect(x.transpose(), {1, 60}, 0);
  expect(flip(x), {-60, -1}, 2399);
  expect(x.at({Slice{.start = 1, .stop = 30, .step = 7}, Slice{.step = -2}}), {420, -2}, 119);
  expect(x[3], {1}, 180);
  expect(x.at({5, 6}).reshape({1}), {1}, 306);
  expect(broadcast_to(x[0], Dims{1000, 60}), {0, 1}, 0);
}

TEST(TensorText, ChangesNothing) {
  const Tensor x = tensor({1.0f, 2.0f}, test_device()).requires_grad_();
  const Tensor y = x * x;
  const uint32_t version = y.version();
  (void)y.text();
  EXPECT_EQ(y.version(), version);
  EXPECT_STREQ(y.grad_fn_name(), "multiply");
  sum(y).backward();
  EXPECT_EQ(x.grad().at({1}).item(), 4.0);
}

TEST(TensorText, StreamsAndLocales) {
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
  };
  std::ostringstream out;
  out.imbue(std::locale(std::locale::classic(), new Comma));
  out << tensor({0.5f, 1.0f});
  EXPECT_EQ(out.str(), "tensor([0.5000, 1.0000])");
}

}  // namespace
}  // namespace tenon
