#include "tenon/ops/fuse.h"

#include "tenon/ops/map_op.h"

namespace tenon {
namespace {

// A user's function with the operation that records it.
struct FusedOp {
  std::string name;
  std::function<void(const map::Value*, map::Value*)> function;
  MapOp op;
  FusedOp* next = nullptr;
  FusedOp(std::string op_name, int n_inputs, int n_outputs,
          std::function<void(const map::Value*, map::Value*)> f)
      : name(std::move(op_name)),
        function(std::move(f)),
        op(name.c_str(), n_inputs, n_outputs, DTypeClass::any, &record, this) {}
  static void record(const map::Value* in, map::Value* out, map::Builder&, const void* self) {
    static_cast<const FusedOp*>(self)->function(in, out);
  }
};

// All of them, so that leak checkers see who holds them.
constinit std::atomic<FusedOp*> fused_ops{nullptr};

void check_count(const MapOp& op, size_t given) {
  if (given != static_cast<size_t>(op.n_operands())) {
    fail(ErrorCode::kInvalidArgument, op.name(), "takes ", op.n_operands(), " operands, not ",
         static_cast<int64_t>(given));
  }
}

}  // namespace

Fused fuse(std::string name, int n_inputs, int n_outputs,
           std::function<void(const map::Value*, map::Value*)> function) {
  if (n_inputs < 1 || n_inputs > kMaxOperands || n_outputs < 1 || n_outputs > kMaxOperands) {
    fail(ErrorCode::kInvalidArgument, "fuse", name, " needs 1 to ", kMaxOperands,
         " inputs and outputs, not ", n_inputs, " and ", n_outputs);
  }
  // Records in a graph point to the operation's variants, so it lives as long as the process. Make
  // one per function, not one per call.
  auto* made = new FusedOp(std::move(name), n_inputs, n_outputs, std::move(function));
  made->next = fused_ops.load();
  while (!fused_ops.compare_exchange_weak(made->next, made)) {
  }
  Fused fused;
  fused.op_ = &made->op;
  return fused;
}

std::vector<Tensor> Fused::operator()(std::span<const Operand> operands) const {
  check_count(*op_, operands.size());
  std::vector<Tensor> outputs(static_cast<size_t>(op_->n_outputs()));
  op_->call(operands.data(), outputs.data());
  return outputs;
}

void Fused::run_inplace(std::span<Tensor> targets, std::span<const Operand> operands,
                        LaunchList* list) const {
  check_count(*op_, operands.size());
  if (targets.size() != static_cast<size_t>(op_->n_outputs())) {
    fail(ErrorCode::kInvalidArgument, op_->name(), "writes ", op_->n_outputs(), " targets, not ",
         static_cast<int64_t>(targets.size()));
  }
  op_->call_into(targets, operands.data(), list);
}

}  // namespace tenon
