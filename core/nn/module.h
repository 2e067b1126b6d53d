// Module: something with named parameters. Layer: a module that makes one tensor of one tensor.
//
//   struct Mlp : nn::Layer {
//     nn::Linear hidden{64, 128}, output{128, 10};
//     void members(nn::Members& list) override { list("hidden", hidden), list("output", output); }
//     Tensor forward(const Tensor& x) override { return output(relu(hidden(x))); }
//   };
//   Mlp model;
//   model.named_parameters();   // hidden.weight, hidden.bias, output.weight, output.bias
//
// A module is a plain struct of tensors and other modules, and members() is its one list of them;
// nothing is registered anywhere. So modules are copied and moved freely; a copy shares the
// parameters, as a copied Tensor shares its data.
//
// Names: a parameter of a member module is "<member>.<parameter>" at any depth ("0.weight" in a
// Sequential), the names that PyTorch's modules of the same structure have. Undefined tensors (a
// layer without bias) are left out. A tensor that is reached under two names (tied weights) counts
// once in parameters() and has both names in state_dict().
//
// Thread safety: as a struct of tensors. Errors: kInvalidArgument for a name that is empty, has a
// '.', or is listed twice.
#ifndef TENON_NN_MODULE_H_
#define TENON_NN_MODULE_H_

#include <string>
#include <string_view>
#include <vector>

#include "tenon/nn/state_dict.h"
#include "tenon/tensor/tensor.h"

namespace tenon::nn {

class Module;

// What members() is given: call it once for each member, in the order in which they shall be
// listed.
class Members {
 public:
  void operator()(std::string_view name, Tensor& parameter);
  void operator()(std::string_view name, Module& module);

 private:
  friend class Module;
  struct Parameter {
    std::string name;
    Tensor* tensor;
  };
  std::string full_name(std::string_view name) const;

  std::string prefix_;
  std::vector<Parameter> parameters_;
  std::vector<Module*> modules_;
};

class Module {
 public:
  virtual ~Module() = default;

  // Lists the members; does nothing else.
  virtual void members(Members& list) = 0;

  // Handles to the parameters themselves, each once: what an optimizer takes.
  std::vector<Tensor> parameters() const;
  std::vector<NamedTensor> named_parameters() const;

  // All names and values. The tensors share memory with the parameters but know no gradient: write
  // them to a file, or clone() them to keep the values of this moment.
  StateDict state_dict() const;

  // Copies the values of `state` into the parameters, which stay the same tensors, so that an
  // optimizer keeps working. Devices may differ, and floating dtypes. Names and shapes must fit
  // exactly: otherwise kInvalidArgument lists everything that is missing, unexpected or of another
  // shape, and no parameter has changed.
  void load_state_dict(const StateDict& state);

  // Replaces every parameter by one on the device (of the dtype), where it is not there already:
  // gradients are dropped, and handles taken before, such as an optimizer's, stay with the old
  // tensors. So: first to(), then the optimizer.
  void to(Device device);
  void to(std::string_view device) { to(Device(device)); }
  void to(DType dtype);

  // Layers that behave differently in training, such as Dropout, ask training(). Modules start in
  // training mode.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  // Forgets the parameters' gradients (grad() is undefined afterwards).
  void zero_grad();

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;

 private:
  Members list() const;
  template <class Convert>
  void replace_parameters(Convert convert);

  bool training_ = true;
};

class Layer : public Module {
 public:
  void members(Members&) override {}  // none, unless a layer says otherwise
  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }
};

}  // namespace tenon::nn

#endif  // TENON_NN_MODULE_H_
