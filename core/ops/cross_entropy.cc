#include "tenon/ops/elementwise.h"
#include "tenon/ops/map_op.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/row_entry.h"
#include "tenon/ops/softmax.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

using map::Builder;
using map::Value;

// One pass over logits, their row's shift and target: the loss of each row, and the sum of
// exp(x - shift). INDEX counts axis 1 only: it is the class of an element.
constexpr uint64_t kClassAxis = 0b10;
constinit KernelTable row_kernels;
map::Kernel row_kernel(DType d, DType target_dtype) {
  Builder b, e;
  const Value x = b.input(d), shift = b.input(d), target = b.input(target_dtype);
  const Value shifted = x - shift;
  const Value terms[] = {exp(shifted),
                         select(eq(b.index(), cast(target, DType::int64)), shifted, 0.0)};
  map::Kernel k;
  k.name = "cross_entropy";
  k.program = b.finish(terms);
  for (const uint32_t value : k.program.outputs) {
    TenonReducer reducer{};
    reducer.kind = TENON_SUM;
    reducer.acc_dtype = static_cast<uint16_t>(d);
    reducer.value = static_cast<uint16_t>(value);
    k.reducers.push_back(reducer);
  }
  k.program.outputs.clear();
  const Value sum = e.input(d), chosen = e.input(d);
  k.epilogue = e.finish({log(sum) - chosen, sum});
  return k;
}

struct Rows {
  Tensor loss, shift, exp_sum;  // [n, 1]
};

// The device's own entry, which reads the logits once.
bool fused_rows(const Tensor& x, const Tensor& target, Rows& rows) {
  DeviceState& device = x.impl()->device();
  StreamState& stream = current_stream(device);
  rows.shift = new_tensor(device, x.dtype(), target.shape());
  TenonCrossEntropyArgs args;
  args.size = sizeof args;
  args.flags = 0;
  const std::pair<TenonTensor*, const Tensor*> all[] = {{&args.x, &x},
                                                        {&args.target, &target},
                                                        {&args.loss, &rows.loss},
                                                        {&args.shift, &rows.shift},
                                                        {&args.exp_sum, &rows.exp_sum}};
  for (const auto& [to, from] : all) describe_rows(to, *from, 1, stream);
  return run_cross_entropy(stream, args);
}

Rows rows_of(const Tensor& x, const Tensor& target) {
  DeviceState& device = x.impl()->device();
  Rows rows;
  rows.loss = new_tensor(device, x.dtype(), target.shape());
  rows.exp_sum = new_tensor(device, x.dtype(), target.shape());
  if (fused_rows(x, target, rows)) return rows;
  const int64_t classes[] = {1};
  rows.shift = finite_max(x, classes);
  LaunchOperand operands[5];
  const Tensor* const tensors[] = {&x, &rows.shift, &target, &rows.loss, &rows.exp_sum};
  for (int i = 0; i < 5; ++i) operands[i].spread("cross_entropy", *tensors[i], x.shape());
  PlanSlots& slots = row_kernels.get(x.dtype(), target.dtype(),
                                     [&] { return row_kernel(x.dtype(), target.dtype()); });
  launch(slots.on(device),
         {.sizes = x.shape(), .reduce_axes = kClassAxis, .indexed = true, .index_axes = kClassAxis},
         operands);
  return rows;
}

constinit MapOp exp_shifted("cross_entropy", 2, 1,
                            DTypeClass::floating,  // exp(x - m), to be summed
                            [](const Value* x, Value* y, Builder&, const void*) {
                              y[0] = exp(x[0] - x[1]);
                            });
constinit MapOp entropy_slope(
    "cross_entropy_backward", 6, 1, DTypeClass::floating,
    [](const Value* x, Value* y, Builder& b, const void*) {
      // (softmax(x) - onehot) * g / n: logits, their shift and sum of exp, target, g, 1 / n. The
      // target came through the promotion as a float: classes below 2^24 are exact.
      const Value p = exp(x[0] - x[1]) / x[2];
      y[0] = select(eq(cast(b.index(), x[3].dtype()), x[3]), p - 1.0, p) * (x[4] * x[5]);
    },
    nullptr, kClassAxis);
void cross_entropy_vjp(const VjpCall& call) {
  const Tensor& g = call.gradients[0];
  if (!g.defined()) return;
  const Tensor x = unpack(call.node, 0), target = unpack(call.node, 1),
               shift = unpack(call.node, 2);
  // To be differentiated again, the sum must be a function of x.
  Tensor sum;
  if (grad_enabled() && x.requires_grad()) {
    const Operand operands[] = {x, shift};
    exp_shifted.call_sum(operands, shift.shape(), &sum);
  } else {
    sum = unpack(call.node, 3);
  }
  const Operand operands[] = {x, shift, sum, target, g, 1.0 / static_cast<double>(x.size(0))};
  entropy_slope.call(operands, call.results);
}
constexpr OpInfo kCrossEntropy{"cross_entropy", &cross_entropy_vjp, nullptr};

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets) {
  if (!logits.defined() || !targets.defined())
    fail(ErrorCode::kInvalidArgument, "cross_entropy", "an argument is an undefined tensor");
  if (logits.ndim() != 2 || targets.ndim() != 1 || logits.shape()[0] != targets.shape()[0] ||
      logits.size() == 0) {
    fail(ErrorCode::kShape, "cross_entropy", "needs logits [n, classes] and targets [n], not ",
         describe(logits), " and ", describe(targets));
  }
  if (!is_floating(logits.dtype()))
    fail(ErrorCode::kDType, "cross_entropy", "needs floating logits, not ", describe(logits),
         "; use astype()");
  if (targets.dtype() != DType::int32 && targets.dtype() != DType::int64) {
    fail(ErrorCode::kDType, "cross_entropy", "targets are class numbers, int32 or int64, not ",
         describe(targets), "; use astype()");
  }
  if (!(logits.device() == targets.device())) {
    fail(ErrorCode::kDevice, "cross_entropy",
         "Expected all tensors to be on the same device, but found ", describe(logits), " and ",
         describe(targets), ". Move one with to()");
  }
  // Class numbers pass through the logits' dtype, and float16 and bfloat16 count too short a way.
  if (logits.dtype() != compute_dtype(logits.dtype())) {
    return cross_entropy(logits.to(compute_dtype(logits.dtype())), targets).to(logits.dtype());
  }
  Tensor loss, column;
  Rows rows;
  {
    NoGradScope constant;
    column = expand_dims(targets, 1);
    rows = rows_of(logits, column);
    loss = mean(rows.loss);
  }
  if (wants_grad(logits)) {
    Node* node = new_node(kCrossEntropy, 1, 4, 0);
    set_edge(*node, 0, logits);
    if (node->wants(0)) {
      save_input(*node, 0, logits);
      save_input(*node, 1, column);
      save_input(*node, 2, rows.shift);
      save_input(*node, 3, rows.exp_sum);
      set_node(loss, *node, 0);
    }
    release(node);
  }
  return loss;
}

}  // namespace tenon
