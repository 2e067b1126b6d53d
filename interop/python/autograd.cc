// Gradients: backward, grad, hooks, functions with a backward of their own, written in Python.
//
// backward() runs without the GIL; what it calls in Python takes it. Python's exceptions travel
// through the engine as nb::python_error and come out as they went in.

#include "tenon/autograd/autograd.h"

#include "interop/python/object.h"
#include "tenon/tensor/impl.h"

namespace tenon::python {
namespace {

Tensor optional_tensor(std::string_view operation, nb::handle o) {
  return o.is_none() ? Tensor() : tensor_argument(operation, o.ptr());
}

// None, a tensor, or a list of tensors and None.
std::vector<Tensor> optional_tensors(std::string_view operation, nb::handle o) {
  if (o.is_none()) return {};
  if (is_tensor(o.ptr())) return {tensor_of(o.ptr())};
  std::vector<Tensor> tensors;
  for (nb::handle item : nb::borrow<nb::iterable>(o))
    tensors.push_back(optional_tensor(operation, item));
  return tensors;
}

std::vector<Tensor> one_or_more(std::string_view operation, nb::handle o) {
  if (is_tensor(o.ptr())) return {tensor_of(o.ptr())};
  return tensors_argument(operation, o.ptr());
}

// ---- hooks ----

Tensor call_hook(const Tensor& gradient, void* hook) {
  const WithGil held;
  const nb::object argument = wrapped(Tensor(gradient));
  const nb::object result = steal(
      or_sleep([&] { return PyObject_CallOneArg(static_cast<PyObject*>(hook), argument.ptr()); }));
  if (result.is_none()) return Tensor();
  if (!is_tensor(result.ptr()))
    type_error("register_hook", "a hook returns a Tensor or None, not ", type_name(result.ptr()));
  return tensor_of(result.ptr());
}

struct HookHandle {
  Tensor tensor;
  int64_t id;
};

HookHandle register_hook(Self self, nb::handle hook) {
  if (!PyCallable_Check(hook.ptr()))
    type_error("register_hook", "expected a function, got ", type_name(hook.ptr()));
  Py_INCREF(hook.ptr());
  try {
    const int64_t id = self->register_hook(
        &call_hook, hook.ptr(), [](void* h) { drop_anywhere(static_cast<PyObject*>(h)); });
    return {*self, id};
  } catch (...) {
    Py_DECREF(hook.ptr());
    throw;
  }
}

// ---- functions written in Python: tenon.autograd.Function ----

class PythonFunction : public Function {
 public:
  // `calls` has forward(context, *arguments) and backward(context, *gradients).
  PythonFunction(nb::handle calls, nb::handle context, nb::handle arguments)
      : calls_(nb::borrow(calls).release().ptr()),
        context_(nb::borrow(context).release().ptr()),
        arguments_(nb::borrow(arguments).release().ptr()) {}
  ~PythonFunction() override {
    drop_anywhere(calls_);
    drop_anywhere(context_);
    if (arguments_ != nullptr) drop_anywhere(arguments_);
  }

  std::vector<Tensor> forward(std::span<const Tensor> /*inputs*/) override {
    const WithGil held;
    nb::list arguments;
    arguments.append(nb::handle(context_));
    // The caller's own objects, so that their identity is seen.
    for (nb::handle a : nb::borrow<nb::tuple>(arguments_)) {
      takes_tensor_.push_back(is_tensor(a.ptr()));
      arguments.append(a);
    }
    const nb::object result =
        or_sleep([&] { return nb::object(nb::handle(calls_).attr("forward")(*arguments)); });
    Py_CLEAR(arguments_);
    std::vector<Tensor> kept = tensors_argument(
        "save_for_backward", nb::object(nb::handle(context_).attr("_to_save")).ptr());
    saved_count_ = kept.size();
    save(std::move(kept));
    nb::handle(context_).attr("_to_save") =
        nb::make_tuple();  // the engine keeps them, with their versions
    return one_or_more("Function.forward", result);
  }

  std::vector<Tensor> backward(std::span<const Tensor> gradients) override {
    const WithGil held;
    std::vector<Tensor> kept;
    for (size_t i = 0; i < saved_count_; ++i) kept.push_back(saved(i));
    nb::handle(context_).attr("saved_tensors") = nb::tuple(tensor_list(std::move(kept)));
    nb::list arguments;
    arguments.append(nb::handle(context_));
    for (const Tensor& g : gradients) arguments.append(wrapped(Tensor(g)));
    nb::object result =
        or_sleep([&] { return nb::object(nb::handle(calls_).attr("backward")(*arguments)); });
    nb::handle(context_).attr("saved_tensors") = nb::make_tuple();
    if (!nb::isinstance<nb::tuple>(result) && !nb::isinstance<nb::list>(result))
      result = nb::make_tuple(result);
    std::vector<Tensor> all = optional_tensors("Function.backward", result), wanted;
    if (all.size() != takes_tensor_.size()) {
      fail(ErrorCode::kAutograd, "Function.backward", "returned ", static_cast<int64_t>(all.size()),
           " gradients for ", static_cast<int64_t>(takes_tensor_.size()),
           " arguments of forward; None stands for no gradient");
    }
    for (size_t i = 0; i < all.size(); ++i) {
      if (takes_tensor_[i]) wanted.push_back(all[i]);
    }
    return wanted;
  }
  const char* name() const override { return "Function"; }

 private:
  PyObject *calls_, *context_, *arguments_;
  std::vector<bool> takes_tensor_;
  size_t saved_count_ = 0;
};

nb::object apply_function(nb::handle calls, nb::handle context, nb::tuple arguments) {
  std::vector<Tensor> inputs;
  for (nb::handle a : arguments) {
    if (is_tensor(a.ptr())) inputs.push_back(tensor_of(a.ptr()));
  }
  return tensor_list(tenon::apply(std::make_unique<PythonFunction>(calls, context, arguments),
                                  std::span<const Tensor>(inputs)));
}

}  // namespace

void bind_autograd(nb::module_& m) {
  method(
      "requires_grad_",
      [](Self self, bool value) {
        self->requires_grad_(value);
        return self.itself();
      },
      nb::arg("requires_grad") = true,
      "Asks for a gradient (leaf tensors of floating dtypes). Returns the tensor.");
  method(
      "backward",
      [](Self self, nb::handle gradient, bool retain_graph, bool create_graph) {
        const Tensor g = optional_tensor("backward", gradient);
        const WithoutGil released;
        self->backward(g, retain_graph, create_graph);
      },
      nb::arg("gradient") = nb::none(), nb::arg("retain_graph") = false,
      nb::arg("create_graph") = false,
      "Adds d this / d leaf to every leaf's .grad. The gradient may be left out for one element. "
      "The graph is freed\n"
      "unless retain_graph.");
  m.def(
      "backward",
      [](nb::handle outputs, nb::handle gradients, bool retain_graph, bool create_graph) {
        const std::vector<Tensor> y = one_or_more("backward", outputs),
                                  g = optional_tensors("backward", gradients);
        const WithoutGil released;
        backward(y, g, retain_graph, create_graph);
      },
      nb::arg("outputs"), nb::arg("gradients") = nb::none(), nb::kw_only(),
      nb::arg("retain_graph") = false, nb::arg("create_graph") = false,
      "Tensor.backward() for several at once.");
  m.def(
      "grad",
      [](nb::handle outputs, nb::handle inputs, nb::handle gradients, nb::handle retain_graph,
         bool create_graph, bool allow_unused) {
        const std::vector<Tensor> y = one_or_more("grad", outputs), x = one_or_more("grad", inputs),
                                  g = optional_tensors("grad", gradients);
        const bool retain =
            retain_graph.is_none() ? create_graph : bool_argument(retain_graph.ptr());
        std::vector<Tensor> result = in_long_call(true, [&] {
          return grad(
              y, x, g,
              {.retain_graph = retain, .create_graph = create_graph, .allow_unused = allow_unused});
        });
        return nb::object(nb::tuple(tensor_list(std::move(result))));
      },
      nb::arg("outputs"), nb::arg("inputs"), nb::arg("grad_outputs") = nb::none(), nb::kw_only(),
      nb::arg("retain_graph") = nb::none(), nb::arg("create_graph") = false,
      nb::arg("allow_unused") = false,
      "d sum(outputs * grad_outputs) / d inputs, as a tuple; .grad of leaves is left alone.");
  nb::class_<HookHandle>(m, "HookHandle",
                         "What register_hook() returns: remove() takes the hook away.")
      .def("remove", [](HookHandle& h) { h.tensor.remove_hook(h.id); });
  method("register_hook", &register_hook, nb::arg("hook"),
         "Calls hook(gradient) when the gradient of this tensor is computed; a Tensor it returns "
         "replaces it.");
  m.def(
      "is_grad_enabled", [] { return grad_enabled(); },
      "Do operations of this thread record a graph?");
  m.def("_set_grad_enabled", [](bool value) { return std::exchange(detail::grad_mode, value); });
  m.def("_apply_function", &apply_function);
  m.def(
      "gradcheck",
      [](nb::handle function, nb::handle inputs, double step, double atol, double rtol,
         bool second_order) {
        const std::vector<Tensor> x = one_or_more("gradcheck", inputs);
        const std::string wrong = gradcheck(
            [&](std::span<const Tensor> values) {
              nb::list arguments;
              for (const Tensor& v : values) arguments.append(wrapped(Tensor(v)));
              return tensor_argument("gradcheck", nb::object(function(*arguments)).ptr());
            },
            x, {.step = step, .absolute = atol, .relative = rtol, .second_order = second_order});
        if (!wrong.empty()) fail(ErrorCode::kAutograd, "gradcheck", wrong);
        return true;
      },
      nb::arg("function"), nb::arg("inputs"), nb::kw_only(), nb::arg("step") = 1e-6,
      nb::arg("atol") = 1e-5, nb::arg("rtol") = 1e-3, nb::arg("second_order") = false,
      "Compares gradients with differences in float64; raises what is wrong, or True.");
}

}  // namespace tenon::python
