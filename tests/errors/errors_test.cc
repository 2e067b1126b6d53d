// THE TABLE of refusals: what a wrong call says. Each row is a call, the code of its error and
// words that the message must contain: the operation (first), shapes, dtypes, devices, the way out.
// No refused call changes its arguments.
#include <gtest/gtest.h>

#include "tenon/nn/linear.h"
#include "tenon/nn/loss.h"
#include "tenon/nn/optimizer.h"
#include "tenon/tenon.h"
#include "tests/tensor_values.h"

namespace tenon {
namespace {

// What the calls may use.
struct Arguments {
  Tensor a = make({1, 2, 3, 4, 5, 6}, {2, 3}, DType::float32);
  Tensor b = make({1, 2, 3, 4}, {4}, DType::float32);
  Tensor ints = make({0, 1, 2}, DType::int64);
  Tensor bools = make({1, 0, 1}, DType::bool_);
  Tensor u64 = make({1, 2, 3}, DType::uint64);
  Tensor complex = zeros({2}, DType::complex64, test_device());
  Tensor empty = zeros({0, 3}, DType::float32, test_device());
  Tensor leaf = make({1, 2, 3}, {3}, DType::float32).requires_grad_();
  double memory[3] = {1, 2, 3};
  Tensor read_only = from_memory(memory, DType::float64, {3}, {1}, true, nullptr, nullptr);
  Tensor undefined;
  std::vector<Tensor*> all{&a, &b, &ints, &bools, &u64, &empty, &leaf, &read_only};
};

struct Row {
  const char* what;
  void (*call)(Arguments& x);
  ErrorCode code;
  std::vector<std::string> words;  // "DEVICE" stands for the test's device
};

#define CALL(...) +[]([[maybe_unused]] Arguments& x) { __VA_ARGS__; }
constexpr auto kShape = ErrorCode::kShape;
constexpr auto kDType = ErrorCode::kDType;
constexpr auto kAxis = ErrorCode::kAxis;
constexpr auto kAutograd = ErrorCode::kAutograd;
constexpr auto kArgument = ErrorCode::kInvalidArgument;
constexpr auto kDevice = ErrorCode::kDevice;

const std::vector<Row>& table() {
  static const std::vector<Row> rows = {
      // --- shapes ---
      {"broadcast",
       CALL(x.a + x.b),
       kShape,
       {"add:", "[2, 3]\n", "     [4]\n", "      ^\n", "axis -1 is 3 against 4",
        "reshape or expand_dims"}},
      {"where, no bool",
       CALL(where(x.a, x.b, x.b)),
       kDType,
       {"where:", "expected condition to be a boolean tensor, but got", "astype()"}},
      {"broadcast, three", CALL(where(x.a > 0.0, x.b, x.b)), kShape, {"where:", "axis -1"}},
      {"broadcast_to",
       CALL(x.a.broadcast_to({3, 3})),
       kShape,
       {"broadcast_to:", "[2, 3]", "[3, 3]", "axis -2 is 2, not 1 or 3"}},
      {"broadcast_to fewer axes",
       CALL(x.a.broadcast_to({3})),
       kShape,
       {"broadcast_to:", "fewer dimensions"}},
      {"broadcast_to negative",
       CALL(x.b.broadcast_to({-1, 4})),
       kShape,
       {"broadcast_to:", "negative size", "[-1, 4]"}},
      {"reshape", CALL(x.a.reshape({4, 2})), kShape, {"reshape:", "[4, 2]", "6 elements"}},
      {"reshape, two unknown",
       CALL(x.a.reshape({-1, -1})),
       kShape,
       {"reshape:", "only one size can be -1"}},
      {"reshape of nothing", CALL(x.empty.reshape({0, -1})), kShape, {"reshape:", "[0, -1]"}},
      {"transpose",
       CALL(x.b.transpose()),
       kShape,
       {"matrix_transpose:", "at least 2 dimensions", "float32[4] on DEVICE"}},
      {"squeeze", CALL(squeeze(x.a, {0})), kShape, {"squeeze:", "axis 0", "size 2, not 1"}},
      {"matmul", CALL(matmul(x.a, x.a)), kShape, {"matmul:", "[2, 3]", "3", "2"}},
      {"matmul, scalar", CALL(matmul(x.a, x.a.sum())), kShape, {"matmul:"}},
      {"matmul, batch",
       CALL(matmul(x.a.reshape({2, 1, 3}),
                   x.a.reshape({3, 2, 1}).broadcast_to({3, 2, 1}).reshape({3, 2, 1}))),
       kShape,
       {"matmul:"}},
      {"linear", CALL(linear(x.a, x.b.reshape({2, 2}))), kShape, {"linear:", "[2, 3]", "[2, 2]"}},
      {"concat", CALL(const Tensor both[] = {x.a, x.b}; concat(both)), kShape, {"concat:"}},
      {"concat, sizes",
       CALL(const Tensor both[] = {x.a, x.a.transpose()}; concat(both)),
       kShape,
       {"concat:", "[2, 3]", "[3, 2]"}},
      {"concat, none", CALL(concat({})), kArgument, {"concat:"}},
      {"stack",
       CALL(const Tensor both[] = {x.b, x.ints}; stack(both)),
       kShape,
       {"stack:", "[4]", "[3]"}},
      {"in place, larger result",
       CALL(x.b += x.a.reshape({6, 1})),
       kShape,
       {"add_:", "does not fit into float32[4] on DEVICE"}},
      {"copy_", CALL(x.b.copy_(x.a)), kShape, {"copy_:", "[2, 3]", "[4]"}},
      {"set_grad",
       CALL(x.leaf.set_grad(x.b)),
       kShape,
       {"set_grad:", "float32[4]", "float32[3]", "must agree"}},
      {"item",
       CALL((void)x.a.item()),
       kShape,
       {"item:", "a Tensor with 6 elements cannot be converted to Scalar", "reduce it"}},
      {"item, two",
       CALL((void)slice(x.b, 0, 0, 2).item<int64_t>()),
       kShape,
       {"item:", "2 elements"}},
      {"negative size",
       CALL(zeros({2, -3}, DType::float32, test_device())),
       kShape,
       {"negative size", "[2, -3]"}},
      {"overflowing size",
       CALL(zeros({INT64_MAX, 2}, DType::float32, test_device())),
       kShape,
       {"more than 2^63 - 1 elements"}},
      {"too many bytes",
       CALL(zeros({INT64_MAX}, DType::float32, test_device())),
       ErrorCode::kOutOfMemory,
       {"float32", "bytes"}},
      {"more than there is",
       CALL(zeros({int64_t{1} << 52}, DType::float32, test_device())),
       ErrorCode::kOutOfMemory,
       {"DEVICE"}},
      {"max of nothing", CALL(max(x.empty)), kShape, {"max:", "[0, 3]"}},
      {"argmin of nothing", CALL(argmin(x.empty, 0)), kShape, {"argmin:"}},
      {"cross entropy", CALL(cross_entropy(x.b, x.ints)), kShape, {"cross_entropy:"}},
      {"cross entropy, batch",
       CALL(cross_entropy(x.a, x.ints)),
       kShape,
       {"cross_entropy:", "[2, 3]", "[3]"}},
      {"mse_loss", CALL(nn::mse_loss(x.a, x.b)), kShape, {"mse_loss", "[2, 3]", "[4]"}},
      {"nn::Linear",
       CALL(nn::Linear layer(5, 2); layer.to(test_device()); layer(x.a)),
       kShape,
       {"[2, 3]", "5"}},
      // --- axes and indices ---
      {"sum",
       CALL(x.a.sum({2})),
       kAxis,
       {"sum:", "axis 2 is out of range", "-2 to 1", "2 dimensions"}},
      {"sum, twice", CALL(x.a.sum({0, -2})), kAxis, {"sum:", "axis -2 is named twice"}},
      {"softmax", CALL(softmax(x.a, 5)), kAxis, {"softmax:", "axis 5"}},
      {"argmax", CALL(argmax(x.a, -3)), kAxis, {"argmax:", "axis -3"}},
      {"permute_dims", CALL(x.a.permute_dims({0})), kAxis, {"permute_dims:", "2 dimensions once"}},
      {"permute_dims, twice",
       CALL(x.a.permute_dims({0, 0})),
       kAxis,
       {"permute_dims:", "named twice"}},
      {"expand_dims", CALL(expand_dims(x.a, 4)), kAxis, {"expand_dims:", "axis 4"}},
      {"concat axis",
       CALL(const Tensor both[] = {x.a, x.a}; concat(both, 2)),
       kAxis,
       {"concat:", "axis 2"}},
      {"[]",
       CALL(x.a[2]),
       kAxis,
       {"select:", "index 2 is out of bounds for axis 0 with size 2", "float32[2, 3] on DEVICE"}},
      {"[] of a number", CALL(x.a.sum()[0]), kAxis, {"select:", "0-dimensional"}},
      {"at",
       CALL(x.a.at({0, -4})),
       kAxis,
       {"index:", "index -4 is out of bounds for axis 1 with size 3"}},
      {"at, too many",
       CALL(x.a.at({0, 0, 0})),
       kAxis,
       {"index:", "too many indices for tensor of dimension 2", "3"}},
      {"at, two ellipses",
       CALL(x.a.at({Index::ellipsis(), Index::ellipsis()})),
       kArgument,
       {"index:", "single ellipsis"}},
      {"slice step", CALL(slice(x.a, 0, 0, 2, 0)), kArgument, {"slice:", "step cannot be zero"}},
      {"flip", CALL(flip(x.a, {3})), kAxis, {"flip:", "axis 3"}},
      {"size", CALL((void)x.a.size(2)), kAxis, {"size:", "axis 2"}},
      {"take", CALL(take(x.a, x.ints, 0)), kAxis, {"take:", "2"}},
      // --- dtypes ---
      {"requires_grad of integers",
       CALL(x.ints.requires_grad_()),
       kDType,
       {"requires_grad_:", "only Tensors of floating point dtype", "int64[3] on DEVICE", "astype"}},
      {"no common dtype", CALL(x.ints + x.u64), kDType, {"add:", "int64 and uint64", "astype"}},
      {"arithmetic of bools",
       CALL(x.bools + x.bools),
       kDType,
       {"add:", "bool[3] on DEVICE", "astype"}},
      {"bits of floats", CALL(x.a & x.a), kDType, {"bitwise_and:", "integers or bools", "astype"}},
      {"shift of bools",
       CALL(bitwise_left_shift(x.bools, x.bools)),
       kDType,
       {"bitwise_left_shift:", "integers"}},
      {"complex arithmetic",
       CALL(erf(x.complex)),
       kDType,
       {"erf:", "complex64[2] on DEVICE", "abs()"}},
      {"complex to real",
       CALL(x.complex.to(DType::float32)),
       kDType,
       {"complex64 to float32", "imaginary"}},
      {"in place, float into int",
       CALL(x.ints += 0.5),
       kDType,
       {"add_:", "float32 can't be cast to the desired output type int64"}},
      {"in place, divide ints", CALL(divide_(x.ints, 2)), kDType, {"divide_:", "int64"}},
      {"take with floats", CALL(take(x.a, x.b, 0)), kDType, {"take:", "float32"}},
      {"cross entropy with float targets",
       CALL(cross_entropy(x.a, slice(x.b, 0, 0, 2))),
       kDType,
       {"cross_entropy:", "float32"}},
      {"softmax of ints", CALL(softmax(x.ints)), kDType, {"softmax:", "int64"}},
      {"data",
       CALL((void)x.a.cpu().data<double>()),
       kDType,
       {"data:", "float32, not float64", "astype"}},
      {"item, not an integer",
       CALL((void)full({}, 2.5, DType::float32, test_device()).item<int64_t>()),
       kDType,
       {"item:", "2.5"}},
      {"to no dtype", CALL(x.a.to(DType::none)), kDType, {"to:"}},
      // --- devices ---
      {"unknown device", CALL(Device("warp")), kDevice, {"warp", "cpu"}},
      {"to an unknown device", CALL(x.a.to("warp:1")), kDevice, {"warp"}},
      {"no such index", CALL(Device("cpu:7")), kDevice, {"cpu", "7"}},
      {"no device text", CALL(Device("")), kDevice, {}},
      {"nonsense index", CALL(Device("cpu:one")), kDevice, {"Invalid device string: 'cpu:one'"}},
      // --- gradients ---
      {"backward of many",
       CALL((x.leaf * 2).backward()),
       kAutograd,
       {"backward:", "grad can be implicitly created only for scalar outputs",
        "float32[3] on DEVICE", "sum()"}},
      {"backward without history",
       CALL(x.a.sum().backward()),
       kAutograd,
       {"backward:", "does not require grad and does not have a grad_fn", "requires_grad_()"}},
      {"backward twice",
       CALL(const Tensor y = sum(x.leaf * x.leaf); grad({y}, {x.leaf}); y.backward()),
       kAutograd,
       {"Trying to backward through the graph a second time", "retain_graph"}},
      {"backward with a wrong gradient",
       CALL((x.leaf * 2).backward(x.b)),
       kShape,
       {"backward:", "float32[4]", "float32[3]"}},
      {"saved tensor changed",
       CALL(Tensor c = x.a[0] * 1; const Tensor y = sum(x.leaf * c); c += 1; y.backward()),
       kAutograd,
       {"multiply:", "modified by an inplace operation", "float32[3] on DEVICE",
        "last written by add_", "clone()"}},
      {"write to a leaf",
       CALL(x.leaf += 1),
       kAutograd,
       {"add_:", "a leaf Variable that requires grad is being used in an in-place operation",
        "NoGradScope", "clone()"}},
      {"write to a view of a leaf",
       CALL(slice(x.leaf, 0, 1).fill_(1)),
       kAutograd,
       {"fill_:", "a view of a leaf Variable that requires grad"}},
      {"requires_grad_(false) of a result",
       CALL((x.leaf * 2).requires_grad_(false)),
       kAutograd,
       {"requires_grad_:", "computed by multiply", "detach()"}},
      {"grad of an unused input",
       CALL(grad({sum(x.leaf)}, {make({1}).requires_grad_()})),
       kAutograd,
       {"grad:", "not have been used in the graph", "allow_unused"}},
      {"grad of a constant",
       CALL(grad({sum(x.leaf)}, {x.a})),
       kAutograd,
       {"grad:", "does not require grad", "input 0"}},
      {"hook on a constant",
       CALL(x.a.register_hook(
           +[](const Tensor& g, void*) { return g; }, nullptr)),
       kAutograd,
       {"register_hook:", "does not require a gradient"}},
      {"set_grad of a constant",
       CALL(x.a.set_grad(x.a)),
       kAutograd,
       {"set_grad:", "does not require a gradient"}},
      // --- memory ---
      {"write to a read-only array",
       CALL(x.read_only += 1),
       ErrorCode::kReadOnly,
       {"add_:", "float64[3] on cpu is read-only", "clone()"}},
      {"fill_ of a read-only view",
       CALL(flip(x.read_only).fill_(0)),
       ErrorCode::kReadOnly,
       {"fill_:", "read-only"}},
      {"mutable_data of a read-only array",
       CALL(x.read_only.mutable_data<double>()),
       ErrorCode::kReadOnly,
       {"mutable_data:", "clone()"}},
      {"write to what overlaps itself",
       CALL(x.b.broadcast_to({2, 4}).zero_()),
       kArgument,
       {"fill_:", "more than one element of the written-to tensor", "clone()"}},
      // --- undefined tensors and numbers ---
      {"undefined operand",
       CALL(x.a + x.undefined),
       kArgument,
       {"add:", "argument 1 is an undefined tensor"}},
      {"undefined, unary", CALL(exp(x.undefined)), kArgument, {"exp:", "undefined"}},
      {"undefined, in place", CALL(x.undefined += x.a), kArgument, {"add_:", "undefined"}},
      {"undefined, sum", CALL(sum(x.undefined)), kArgument, {"sum:", "undefined"}},
      {"undefined, matmul", CALL(matmul(x.a, x.undefined)), kArgument, {"matmul:", "undefined"}},
      {"undefined, reshape", CALL(x.undefined.reshape({1})), kArgument, {"reshape:", "undefined"}},
      {"undefined, softmax", CALL(softmax(x.undefined)), kArgument, {"softmax:", "undefined"}},
      {"undefined, concat",
       CALL(const Tensor both[] = {x.a, x.undefined}; concat(both)),
       kArgument,
       {"concat:", "undefined"}},
      {"undefined, take", CALL(take(x.a, x.undefined)), kArgument, {"take:", "undefined"}},
      {"undefined, cross entropy",
       CALL(cross_entropy(x.undefined, x.ints)),
       kArgument,
       {"cross_entropy:", "undefined"}},
      {"undefined, dropout", CALL(dropout(x.undefined, 0.5)), kArgument, {"dropout:", "undefined"}},
      {"undefined, clone", CALL(x.undefined.clone()), kArgument, {"clone:", "undefined"}},
      {"undefined, to", CALL(x.undefined.to(DType::float32)), kArgument, {"to:", "undefined"}},
      {"undefined, copy_", CALL(x.a.copy_(x.undefined)), kArgument, {"copy_:", "undefined"}},
      {"undefined, item", CALL((void)x.undefined.item()), kArgument, {"item:", "undefined"}},
      {"undefined, backward", CALL(x.undefined.backward()), kArgument, {"backward:", "undefined"}},
      {"undefined, grad",
       CALL(grad({sum(x.leaf)}, {x.undefined})),
       kAutograd,
       {"grad:", "undefined tensor"}},
      {"undefined, optimizer", CALL(nn::Sgd step({x.undefined})), kArgument, {"undefined"}},
      {"numbers only", CALL(add(1, 2)), kArgument, {"add:", "at least one tensor"}},
      {"arange",
       CALL(arange(0, 5, 0, DType::none, test_device())),
       kArgument,
       {"arange:", "step cannot be zero"}},
      {"dropout", CALL(dropout(x.a, 1.5)), kArgument, {"dropout:", "1.5"}},
      {"randint",
       CALL(randint({2}, 5, 5, DType::int64, test_device())),
       kArgument,
       {"randint:", "5"}},
      {"optimizer of a result",
       CALL(nn::Sgd step({x.leaf * 2})),
       kAutograd,
       {"result of multiply", "detach()"}},
      {"optimizer's rate", CALL(nn::Sgd step({x.leaf}, {.lr = -1})), kArgument, {"lr"}},
  };
  return rows;
}

TEST(Refusals, SayWhatIsWrongAndTheWayOut) {
  for (const Row& row : table()) {
    SCOPED_TRACE(row.what);
    Arguments arguments;
    std::vector<std::vector<double>> before;
    std::vector<uint32_t> versions;
    for (const Tensor* t : arguments.all) {
      before.push_back(values(*t));
      versions.push_back(t->version());
    }
    const std::string text = error_of(row.code, [&] { row.call(arguments); });
    for (std::string word : row.words) {
      if (const size_t at = word.find("DEVICE"); at != std::string::npos)
        word.replace(at, 6, test_device().text());
      EXPECT_TRUE(has(text, word)) << "\"" << word << "\" is missing in: " << text;
    }
    for (size_t i = 0; i < arguments.all.size(); ++i) {
      EXPECT_EQ(values(*arguments.all[i]), before[i]) << "argument " << i << " changed";
      EXPECT_EQ(arguments.all[i]->version(), versions[i]) << "argument " << i << " counted a write";
    }
    EXPECT_FALSE(arguments.leaf.grad().defined());
    EXPECT_FALSE(arguments.a.requires_grad());
    EXPECT_FALSE(arguments.ints.requires_grad());
    EXPECT_TRUE(grad_enabled());
  }
}

TEST(Refusals, OfMixedDevices) {
  if (test_device() == Device()) GTEST_SKIP() << "one device only";
  Arguments x;
  const Tensor host = ones({2, 3});
  const std::string text = error_of(kDevice, [&] { x.a + host; });
  EXPECT_TRUE(has(text, "add: Expected all tensors to be on the same device")) << text;
  EXPECT_TRUE(has(text, "float32[2, 3] on " + test_device().text()) &&
              has(text, "float32[2, 3] on cpu") && has(text, "to()"))
      << text;
  error_of(kDevice, [&] { x.a += host; });
  error_of(kDevice, [&] { matmul(x.a, host.transpose()); });
  error_of(kDevice, [&] {
    const Tensor both[] = {x.a, host};
    concat(both);
  });
  error_of(kDevice, [&] { take(x.a, tensor({0, 1})); });
  error_of(kDevice, [&] { cross_entropy(x.a, tensor({0, 1})); });
  EXPECT_TRUE(has(error_of(kDevice, [&] { (void)x.a.raw_data(); }), "cpu()"));
  expect_values(x.a, {1, 2, 3, 4, 5, 6});
}

TEST(Refusals, OfCudaWithoutADriver) {
  if (device_count("cuda") > 0) GTEST_SKIP() << "there is one";
  const std::string text = error_of(kDevice, [] { ones({2}).cuda(); });
  EXPECT_TRUE(has(text, "cuda: Found no NVIDIA driver on your system")) << text;
  EXPECT_TRUE(has(text, "no device 'cuda") && has(text, "tried:")) << "what was tried: " << text;
  for (const char* name : {"cuda", "cuda:1"}) {
    EXPECT_TRUE(has(error_of(kDevice, [&] { Device d(name); }), "cuda: Found no NVIDIA driver on"));
  }
}

}  // namespace
}  // namespace tenon
