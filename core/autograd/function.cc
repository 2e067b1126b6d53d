// Custom functions: a user's forward and backward as one record.
#include <memory>

#include "tenon/autograd/autograd.h"
#include "tenon/tensor/impl.h"

namespace tenon {

// Payload of a custom function's record.
struct FunctionRecord {
  std::unique_ptr<Function> function;
  OpInfo info;  // with the function's own name
  struct Like {
    Dims shape;
    DType dtype;
    DeviceState* device;
    explicit Like(const Tensor& t)
        : shape(t.shape()), dtype(t.dtype()), device(&t.impl()->device()) {}
  };
  std::vector<Like> inputs, outputs;

  static void vjp(const VjpCall& call) {
    auto& record = call.node.payload_as<FunctionRecord>();
    std::vector<Tensor> gradients;
    for (size_t j = 0; j < record.outputs.size(); ++j) {
      const Like& y = record.outputs[j];
      gradients.push_back(call.gradients[j].defined() ? call.gradients[j]
                                                      : zeros(y.shape, y.dtype, Device(*y.device)));
    }
    Function& f = *record.function;
    std::vector<Tensor> unpacked;
    unpacked.reserve(static_cast<size_t>(call.node.n_saved));
    for (int s = 0; s < call.node.n_saved; ++s) unpacked.push_back(unpack(call.node, s));
    f.unpacked_ = std::move(unpacked);
    std::vector<Tensor> results;
    try {
      results = f.backward(gradients);
    } catch (...) {
      f.unpacked_.clear();
      throw;
    }
    f.unpacked_.clear();
    if (results.size() != call.node.n_inputs) {
      fail(ErrorCode::kAutograd, f.name(), "backward returned ",
           static_cast<int64_t>(results.size()), " gradients for ", call.node.n_inputs,
           " inputs; return an undefined tensor where there is none");
    }
    for (size_t i = 0; i < results.size(); ++i) {
      const Tensor& g = results[i];
      const Like& x = record.inputs[i];
      if (g.defined() && call.node.wants(static_cast<int>(i)) &&
          (Dims(g.shape()) != x.shape || g.dtype() != x.dtype || &g.impl()->device() != x.device)) {
        fail(ErrorCode::kAutograd, f.name(), "backward returned an invalid gradient at index ",
             static_cast<int64_t>(i), ": ", describe(g), " for an input of ", dtype_name(x.dtype),
             shape_text(x.shape), " on ", x.device->text);
      }
      call.results[i] = std::move(results[i]);
    }
  }
  static void destroy(void* payload) { static_cast<FunctionRecord*>(payload)->~FunctionRecord(); }
};

const Tensor& Function::saved(size_t i) const {
  if (i >= unpacked_.size()) {
    fail(ErrorCode::kAutograd, name(), "saved(", static_cast<int64_t>(i), ") of ",
         static_cast<int64_t>(unpacked_.size()),
         " saved tensors; they are there during backward() only");
  }
  return unpacked_[i];
}

std::vector<Tensor> apply(std::unique_ptr<Function> function, std::span<const Tensor> inputs) {
  if (!function) fail(ErrorCode::kInvalidArgument, "apply", "the function is null");
  Function& f = *function;
  bool wanted = false;
  for (const Tensor& x : inputs) {
    if (!x.defined())
      fail(ErrorCode::kInvalidArgument, f.name(), "an input is an undefined tensor");
    wanted |= wants_grad(x);
  }
  std::vector<Tensor> outputs;
  {
    NoGradScope no_record;
    outputs = f.forward(inputs);
  }
  for (Tensor& y : outputs) {
    if (!y.defined()) fail(ErrorCode::kAutograd, f.name(), "forward returned an undefined tensor");
    // An input handed through, or a tensor with a history, becomes a tensor of its own.
    bool is_input = y.impl()->node != nullptr;
    for (const Tensor& x : inputs) is_input |= x.impl() == y.impl();
    if (is_input) y = alias(y);
  }
  if (!wanted) {
    f.to_save_.clear();
    return outputs;
  }
  const std::vector<Tensor> to_save = std::move(f.to_save_);
  auto record = std::make_unique<FunctionRecord>();
  for (const Tensor& x : inputs) record->inputs.emplace_back(x);
  for (const Tensor& y : outputs) record->outputs.emplace_back(y);
  static constexpr OpInfo kGeneric{"Function", &FunctionRecord::vjp, &FunctionRecord::destroy};
  Node* node = new_node(kGeneric, static_cast<int>(inputs.size()), static_cast<int>(to_save.size()),
                        sizeof(FunctionRecord), static_cast<int>(outputs.size()));
  auto* payload = new (node->payload) FunctionRecord(std::move(*record));
  payload->function = std::move(function);
  payload->info = {payload->function->name(), &FunctionRecord::vjp, &FunctionRecord::destroy};
  node->op = &payload->info;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (is_floating(inputs[i].dtype())) set_edge(*node, static_cast<int>(i), inputs[i]);
  }
  for (size_t s = 0; s < to_save.size(); ++s) {
    bool own = false;
    for (const Tensor& y : outputs) own |= y.impl() == to_save[s].impl();
    if (own) {
      save_output(*node, static_cast<int>(s), to_save[s]);
      for (size_t j = 0; j < outputs.size(); ++j) {
        if (outputs[j].impl() == to_save[s].impl())
          node->saved[s].output_index = static_cast<uint32_t>(j);
      }
    } else {
      save_input(*node, static_cast<int>(s), to_save[s]);
    }
  }
  for (size_t j = 0; j < outputs.size(); ++j) {
    if (is_floating(outputs[j].dtype())) set_node(outputs[j], *node, static_cast<uint32_t>(j));
  }
  release(node);
  return outputs;
}

}  // namespace tenon
