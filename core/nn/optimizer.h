// Optimizers: change parameters along their gradients.
//
//   nn::AdamW optimizer(model.parameters(), {.lr = 3e-3});
//   for (..) {
//     optimizer.zero_grad();
//     cross_entropy(model(x), y).backward();
//     optimizer.step();
//   }
//
// A step reads and writes each parameter once: the whole rule is one fused program, with the
// learning rate and all other numbers in run-time slots, so that changing them compiles nothing. A
// device that can (TenonFusedOps.launch_list) updates all parameters in one launch. State
// (momentum, moments) lives beside the parameter, on its device; that of float16 and bfloat16
// parameters is float32. Parameters whose grad() is undefined are skipped and their state stays.
//
// An optimizer holds handles to the parameters it was given, so make it after Module::to(). step()
// changes parameters in place; values that a graph saved before are refused by a later backward()
// over that graph.
//
// Thread safety: none; one thread uses an optimizer and its parameters at a time.
// Errors: kInvalidArgument for numbers out of range, an empty list, or a parameter that is given
// twice or undefined; kDType for one that is not floating; kAutograd for one that is no leaf.
#ifndef TENON_NN_OPTIMIZER_H_
#define TENON_NN_OPTIMIZER_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "tenon/nn/state_dict.h"
#include "tenon/tensor/tensor.h"

namespace tenon {
class LaunchList;  // device/launch_list.h
struct Storage;    // tensor/storage.h
}  // namespace tenon

namespace tenon::nn {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  void step();
  // Forgets the parameters' gradients (grad() is undefined afterwards).
  void zero_grad();

  // The learning rate, for the next step on: call set_lr() as a schedule demands.
  double lr() const { return lr_; }
  void set_lr(double lr);

  // What step() needs to go on as if never interrupted: "lr", and for each parameter that was
  // stepped, by its place in the list, "<place>.steps" and its state tensors, such as "0.momentum".
  // The tensors share memory with the optimizer: write them to a file, or clone() them.
  StateDict state_dict() const;
  // Copies such a state in. kInvalidArgument lists all that is missing, unexpected or of another
  // shape, and nothing has changed. A parameter of which `state` says nothing starts anew.
  void load_state_dict(const StateDict& state);

 protected:
  struct Slot {
    Tensor parameter;
    int64_t steps = 0;          // that this parameter took part in
    std::vector<Tensor> state;  // one per name; empty before the first step
  };
  // `state_names`: the tensors of the parameter's shape that the rule keeps, zeros at first.
  Optimizer(std::vector<Tensor> parameters, double lr, std::vector<std::string> state_names);

  // One step of one parameter, which reads and writes nothing but that, its gradient and its state.
  // Nothing is recorded. `list`: for Fused::run_inplace; may be null.
  virtual void update(Slot& slot, const Tensor& gradient, LaunchList* list) = 0;

 private:
  void make_state(Slot& slot) const;
  void list_state(size_t place, const Slot& slot, StateDict* list) const;

  std::vector<Slot> slots_;
  std::vector<const Storage*> storages_;  // of the parameters, sorted
  double lr_;
  std::vector<std::string> state_names_;
};

// Stochastic gradient descent, with g = gradient + weight_decay * p:
//   v = momentum * v + g                     (v is kept as "momentum")
//   p = p - lr * v                           or, if nesterov, p - lr * (g + momentum * v)
// Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", as
// PyTorch has it.
struct SgdOptions {
  double lr = 1e-2, momentum = 0, weight_decay = 0;
  bool nesterov = false;
};
class Sgd : public Optimizer {
 public:
  explicit Sgd(std::vector<Tensor> parameters, const SgdOptions& options = {});

 private:
  void update(Slot& slot, const Tensor& gradient, LaunchList* list) override;
  SgdOptions options_;
};

// Adam with decoupled weight decay; t counts the parameter's steps from 1:
//   m = beta1 * m + (1 - beta1) * g          ("exp_avg")
//   v = beta2 * v + (1 - beta2) * g^2        ("exp_avg_sq")
//   p = p - lr * weight_decay * p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
// Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", with lr for their schedule
// times alpha.
struct AdamWOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
};
class AdamW : public Optimizer {
 public:
  explicit AdamW(std::vector<Tensor> parameters, const AdamWOptions& options = {});

 private:
  void update(Slot& slot, const Tensor& gradient, LaunchList* list) override;
  AdamWOptions options_;
  // The bias corrections of the step count they were last computed for: most parameters share one.
  int64_t corrected_for_ = 0;
  double correction1_ = 1, correction2_ = 1;
};

}  // namespace tenon::nn

#endif  // TENON_NN_OPTIMIZER_H_
