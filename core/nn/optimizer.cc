#include "tenon/nn/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "tenon/device/launch_list.h"
#include "tenon/ops/fuse.h"
#include "tenon/tensor/impl.h"
#include "tenon/tensor/storage.h"

namespace tenon::nn {
namespace {

using map::Value;

void check_number(std::string_view operation, const char* name, double value, double low,
                  double high) {
  if (value >= low && value < high) return;
  fail(ErrorCode::kInvalidArgument, operation, name, " is ", value, "; it must be at least ", low,
       " and below ", high);
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Operands of the programs, in this order.
enum SgdOperand { kSgdP, kSgdG, kSgdLr, kSgdDecay, kSgdV, kSgdMomentum };
enum AdamWOperand { kP, kM, kV, kG, kKeep, kStep, kBeta1, kRest1, kBeta2, kRest2, kEps };

// m, rounded to a multiple of about 1e-27 (float32; 1e-36 in float64), where it is below 1e-20.
// Momentum of a parameter whose gradient has become 0 for good (a unit that died) would decay into
// subnormal numbers and never leave them; arithmetic on those is a hundred times slower on some
// processors. No parameter notices: a momentum of 1e-20 moves it by a millionth of a millionth of
// lr.
Value without_subnormals(Value m) { return (m + 1e-20) - 1e-20; }

void sgd_plain(const Value* x, Value* y) {
  y[0] = x[kSgdP] - x[kSgdLr] * (x[kSgdG] + x[kSgdDecay] * x[kSgdP]);
}

template <bool kNesterov>
void sgd_momentum(const Value* x, Value* y) {
  const Value g = x[kSgdG] + x[kSgdDecay] * x[kSgdP];
  const Value v = without_subnormals(x[kSgdMomentum] * x[kSgdV] + g);
  y[0] = x[kSgdP] - x[kSgdLr] * (kNesterov ? g + x[kSgdMomentum] * v : v);
  y[1] = v;
}

void adamw(const Value* x, Value* y) {
  const Value m = without_subnormals(x[kBeta1] * x[kM] + x[kRest1] * x[kG]);
  const Value v = x[kBeta2] * x[kV] + x[kRest2] * x[kG] * x[kG];
  y[0] = x[kP] * x[kKeep] - x[kStep] * m / (sqrt(v) + x[kEps]);
  y[1] = m;
  y[2] = v;
}

}  // namespace

// --- Optimizer ---

Optimizer::Optimizer(std::vector<Tensor> parameters, double lr,
                     std::vector<std::string> state_names)
    : state_names_(std::move(state_names)) {
  set_lr(lr);
  if (parameters.empty()) {
    fail(ErrorCode::kInvalidArgument, "Optimizer", "there are no parameters to optimize");
  }
  std::set<const TensorImpl*> seen;
  for (size_t i = 0; i < parameters.size(); ++i) {
    Tensor& p = parameters[i];
    if (!p.defined() || !seen.insert(p.impl()).second) {
      fail(ErrorCode::kInvalidArgument, "Optimizer", "parameter ", i, " is ",
           p.defined() ? "given twice" : "undefined", "; give each parameter once");
    }
    if (!is_floating(p.dtype())) {
      fail(ErrorCode::kDType, "Optimizer", "parameter ", i, " is ", describe(p),
           "; only floating tensors are optimized");
    }
    if (!p.is_leaf()) {
      fail(ErrorCode::kAutograd, "Optimizer", "parameter ", i, " is the result of ",
           p.grad_fn_name(), "; optimize leaves (detach() makes one)");
    }
    storages_.push_back(p.impl()->storage);
    slots_.push_back({.parameter = std::move(p)});
  }
  std::sort(storages_.begin(), storages_.end());
}

void Optimizer::set_lr(double lr) {
  check_number("Optimizer", "lr", lr, 0, kInfinity);
  lr_ = lr;
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) slot.parameter.set_grad(Tensor());
}

void Optimizer::make_state(Slot& slot) const {
  const DType dtype = compute_dtype(slot.parameter.dtype());
  while (slot.state.size() < state_names_.size()) {
    slot.state.push_back(zeros_like(slot.parameter.detach()).to(dtype));
  }
}

void Optimizer::step() {
  const NoGradScope no_grad;
  // Parameters that share memory, or a gradient that is one of them, are updated in order.
  const bool shared = std::adjacent_find(storages_.begin(), storages_.end()) != storages_.end();
  LaunchList list;
  try {
    for (Slot& slot : slots_) {
      const Tensor gradient = slot.parameter.grad();
      if (!gradient.defined()) continue;
      make_state(slot);
      ++slot.steps;
      const bool apart = !shared && !std::binary_search(storages_.begin(), storages_.end(),
                                                        gradient.impl()->storage);
      if (!apart) list.flush();
      update(slot, gradient, apart ? &list : nullptr);
    }
  } catch (...) {
    // What came before the one that failed is updated, as on a device that runs each at once.
    try {
      list.flush();
    } catch (const Error&) {  // the first error is the one to report
    }
    throw;
  }
  list.flush();
}

void Optimizer::list_state(size_t place, const Slot& slot, StateDict* list) const {
  const std::string prefix = std::to_string(place) + ".";
  list->push_back({prefix + "steps", tensor(slot.steps)});
  for (size_t i = 0; i < state_names_.size(); ++i) {
    list->push_back({prefix + state_names_[i], slot.state[i]});
  }
}

StateDict Optimizer::state_dict() const {
  StateDict state{{"lr", tensor(lr_)}};
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].steps > 0) list_state(i, slots_[i], &state);
  }
  return state;
}

void Optimizer::load_state_dict(const StateDict& state) {
  std::set<std::string> owners;  // "0" of "0.momentum"
  for (const auto& [name, tensor] : state) owners.insert(name.substr(0, name.find('.')));

  // Filled first and put in place when all is well.
  StateDict targets{{"lr", tensor(lr_)}};
  std::vector<Slot> slots(slots_.size());
  std::vector<size_t> steps_at(slots_.size(), 0);  // place in targets; 0: not in `state`
  for (size_t i = 0; i < slots_.size(); ++i) {
    slots[i].parameter = slots_[i].parameter;
    if (!owners.contains(std::to_string(i))) continue;
    make_state(slots[i]);
    steps_at[i] = targets.size();
    list_state(i, slots[i], &targets);
  }
  copy_state("Optimizer::load_state_dict", state, targets);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (steps_at[i] > 0) slots[i].steps = targets[steps_at[i]].tensor.item<int64_t>();
  }
  set_lr(targets[0].tensor.item());
  slots_ = std::move(slots);
}

// --- Sgd ---

Sgd::Sgd(std::vector<Tensor> parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters), options.lr,
                options.momentum != 0 ? std::vector<std::string>{"momentum"}
                                      : std::vector<std::string>{}),
      options_(options) {
  check_number("Sgd", "momentum", options.momentum, 0, 1);
  check_number("Sgd", "weight_decay", options.weight_decay, 0, kInfinity);
  if (options.nesterov && options.momentum == 0) {
    fail(ErrorCode::kInvalidArgument, "Sgd", "nesterov needs a momentum above 0");
  }
}

void Sgd::update(Slot& slot, const Tensor& gradient, LaunchList* list) {
  // Kept for good: nothing is destroyed when the program exits.
  static const Fused* const plain = new Fused(fuse("sgd", 4, 1, sgd_plain));
  static const Fused* const heavy_ball = new Fused(fuse("sgd_momentum", 6, 2, sgd_momentum<false>));
  static const Fused* const nesterov = new Fused(fuse("sgd_nesterov", 6, 2, sgd_momentum<true>));
  const Tensor& p = slot.parameter;
  if (options_.momentum == 0) {
    Tensor targets[] = {p};
    plain->run_inplace(
        targets, std::initializer_list<Operand>{p, gradient, lr(), options_.weight_decay}, list);
    return;
  }
  Tensor targets[] = {p, slot.state[0]};
  const Operand operands[] = {
      p, gradient, lr(), options_.weight_decay, slot.state[0], options_.momentum};
  (options_.nesterov ? nesterov : heavy_ball)->run_inplace(targets, operands, list);
}

// --- AdamW ---

AdamW::AdamW(std::vector<Tensor> parameters, const AdamWOptions& options)
    : Optimizer(std::move(parameters), options.lr, {"exp_avg", "exp_avg_sq"}), options_(options) {
  check_number("AdamW", "beta1", options.beta1, 0, 1);
  check_number("AdamW", "beta2", options.beta2, 0, 1);
  check_number("AdamW", "eps", options.eps, 0, kInfinity);
  check_number("AdamW", "weight_decay", options.weight_decay, 0, kInfinity);
}

void AdamW::update(Slot& slot, const Tensor& gradient, LaunchList* list) {
  static const Fused* const program = new Fused(fuse("adamw", 11, 3, adamw));  // kept for good
  const auto& [initial_lr, beta1, beta2, eps, weight_decay] = options_;
  // Both bias corrections as factors of numbers:
  //   lr * (m / c1) / (sqrt(v) / c2 + eps) = (lr * c2 / c1) * m / (sqrt(v) + c2 * eps)
  if (corrected_for_ != slot.steps) {
    const auto t = static_cast<double>(slot.steps);
    corrected_for_ = slot.steps;
    correction1_ = 1 - std::pow(beta1, t);
    correction2_ = std::sqrt(1 - std::pow(beta2, t));
  }
  const double c1 = correction1_, c2 = correction2_;
  Tensor targets[] = {slot.parameter, slot.state[0], slot.state[1]};
  const Operand operands[] = {
      slot.parameter, slot.state[0], slot.state[1], gradient, 1 - lr() * weight_decay,
      lr() * c2 / c1, beta1,         1 - beta1,     beta2,    1 - beta2,
      c2 * eps};
  program->run_inplace(targets, operands, list);
}

}  // namespace tenon::nn
