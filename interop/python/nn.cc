// What tenon.nn and tenon.optim stand on: losses, initialisers, the layers' parameters, the fused
// optimizer steps.
//
// The modules themselves are Python (tenon/nn.py), so that users' modules are written as theirs
// are.

#include "interop/python/object.h"
#include "tenon/nn/init.h"
#include "tenon/nn/linear.h"
#include "tenon/nn/loss.h"
#include "tenon/nn/optimizer.h"

namespace tenon::python {
namespace {

nn::StateDict state_of(nb::handle dict) {
  nn::StateDict state;
  for (auto [name, value] : nb::cast<nb::dict>(dict)) {
    state.push_back({nb::cast<std::string>(name), tensor_argument("load_state_dict", value.ptr())});
  }
  return state;
}

nb::dict dict_of(const nn::StateDict& state) {
  nb::dict dict;
  for (const nn::NamedTensor& entry : state)
    dict[entry.name.c_str()] = wrapped(Tensor(entry.tensor));
  return dict;
}

std::vector<Tensor> parameters_argument(nb::handle parameters) {
  return tensors_argument("optimizer", nb::object(nb::list(parameters)).ptr());
}

template <class Optimizer>
void bind_optimizer(nb::class_<Optimizer>& type) {
  type.def(
          "step",
          [](Optimizer& o) {
            const WithoutGil released;
            o.step();
          },
          "Changes every parameter that has a gradient.")
      .def(
          "zero_grad", [](Optimizer& o, bool) { o.zero_grad(); }, nb::arg("set_to_none") = true,
          "Forgets the gradients.")
      .def_prop_rw(
          "lr", [](const Optimizer& o) { return o.lr(); },
          [](Optimizer& o, double lr) { o.set_lr(lr); }, "The learning rate, for the next step on.")
      .def(
          "state_dict", [](const Optimizer& o) { return dict_of(o.state_dict()); },
          "What step() needs to go on: names and tensors that share memory with the optimizer.")
      .def(
          "load_state_dict",
          [](Optimizer& o, nb::handle state) { o.load_state_dict(state_of(state)); },
          nb::arg("state"), "Copies such a state in, all of it or nothing.");
}

void bind_optimizers(nb::module_& m) {
  nb::class_<nn::Sgd> sgd(
      m, "SGD",
      "Stochastic gradient descent with momentum; each parameter's step is one pass over memory.");
  sgd.def(
      "__init__",
      [](nn::Sgd* self, nb::handle parameters, double lr, double momentum, double weight_decay,
         bool nesterov) {
        new (self) nn::Sgd(
            parameters_argument(parameters),
            {.lr = lr, .momentum = momentum, .weight_decay = weight_decay, .nesterov = nesterov});
      },
      nb::arg("parameters"), nb::arg("lr") = 1e-2, nb::arg("momentum") = 0.0,
      nb::arg("weight_decay") = 0.0, nb::arg("nesterov") = false);
  bind_optimizer(sgd);
  nb::class_<nn::AdamW> adamw(
      m, "AdamW",
      "Adam with decoupled weight decay; each parameter's step is one pass over memory.");
  adamw.def(
      "__init__",
      [](nn::AdamW* self, nb::handle parameters, double lr, std::pair<double, double> betas,
         double eps, double weight_decay) {
        new (self) nn::AdamW(parameters_argument(parameters), {.lr = lr,
                                                               .beta1 = betas.first,
                                                               .beta2 = betas.second,
                                                               .eps = eps,
                                                               .weight_decay = weight_decay});
      },
      nb::arg("parameters"), nb::arg("lr") = 1e-3, nb::arg("betas") = nb::make_tuple(0.9, 0.999),
      nb::arg("eps") = 1e-8, nb::arg("weight_decay") = 1e-2);
  bind_optimizer(adamw);
}

using Loss = Tensor (*)(const Tensor&, const Tensor&);
void bind_loss(nb::module_& m, const char* name, Loss loss, const char* doc) {
  m.def(
      name,
      [loss](Self prediction, Self target) {
        return in_long_call(*prediction, [&] { return loss(*prediction, *target); });
      },
      nb::arg("prediction"), nb::arg("target"), doc);
}

}  // namespace

void bind_nn(nb::module_& m) {
  bind_loss(m, "mse_loss", &nn::mse_loss, "mean((prediction - target)^2)");
  bind_loss(m, "l1_loss", &nn::l1_loss, "mean(|prediction - target|)");
  bind_loss(m, "binary_cross_entropy_with_logits", &nn::binary_cross_entropy_with_logits,
            "Of logits and targets in [0, 1], without overflow.");
  m.def(
      "huber_loss",
      [](Self prediction, Self target, double delta) {
        return in_long_call(*prediction,
                            [&] { return nn::huber_loss(*prediction, *target, delta); });
      },
      nb::arg("prediction"), nb::arg("target"), nb::arg("delta") = 1.0,
      "Squared below delta, linear above.");
  m.def("_linear_parameters", [](int64_t in, int64_t out, bool bias) {
    nn::Linear layer(in, out, bias);
    return nb::make_tuple(wrapped(std::move(layer.weight)), wrapped(std::move(layer.bias)));
  });
  m.def("_copy_state", [](const std::string& operation, nb::handle source, nb::handle targets) {
    nn::copy_state(operation, state_of(source), state_of(targets));
  });
  const auto initialiser = [&m](const char* name, auto call, const char* doc) {
    m.def(
        name,
        [call](Self t, double gain) {
          call(*t, gain);
          return t.itself();
        },
        nb::arg("tensor"), nb::arg("gain"), doc);
  };
  initialiser(
      "_kaiming_uniform_", [](Tensor& t, double gain) { nn::init::kaiming_uniform_(t, gain); },
      "He et al. 2015");
  initialiser(
      "_kaiming_normal_", [](Tensor& t, double gain) { nn::init::kaiming_normal_(t, gain); },
      "He et al. 2015");
  initialiser(
      "_xavier_uniform_", [](Tensor& t, double gain) { nn::init::xavier_uniform_(t, gain); },
      "Glorot and Bengio 2010");
  initialiser(
      "_xavier_normal_", [](Tensor& t, double gain) { nn::init::xavier_normal_(t, gain); },
      "Glorot and Bengio 2010");
  const auto range = [&m](const char* name, auto call) {
    m.def(name, [call](Self t, double a, double b) {
      call(*t, a, b);
      return t.itself();
    });
  };
  range("_uniform_", [](Tensor& t, double a, double b) { nn::init::uniform_(t, a, b); });
  range("_normal_", [](Tensor& t, double a, double b) { nn::init::normal_(t, a, b); });
  bind_optimizers(m);
}

}  // namespace tenon::python
