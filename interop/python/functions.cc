// Everything else that computes: reductions, shapes, products, joins, softmax. Names and arguments
// are the Array API's.
#include "interop/python/numpy_array.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/layer_norm.h"
#include "tenon/ops/matmul.h"
#include "tenon/ops/random.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/softmax.h"
#include "tenon/ops/views.h"

namespace tenon::python {
namespace {

using Reduction = Tensor (*)(const Tensor&, DimsView, bool);
using ArgReduction = Tensor (*)(const Tensor&, int64_t, bool);

// As a function and as a method. NumPy calls the method with dtype and out, too: np.sum(t).
// reduction(x, axes, keepdims). With axis=() the standard reduces nothing, where core reduces all:
// that is a reduction over a new axis of one element.
template <class Function>
Tensor over_axes(const char* name, const Tensor& x, nb::handle axis, bool keepdims,
                 Function&& reduction) {
  const Dims axes = axes_argument(name, axis.ptr());
  const bool nothing = nb::isinstance<nb::tuple>(axis) && axes.empty();
  return in_long_call(x, [&] {
    return nothing ? reduction(expand_dims(x, -1), Dims{-1}, false) : reduction(x, axes, keepdims);
  });
}

template <Reduction kFunction>
Tensor reduce(const char* name, nb::handle x, nb::handle axis, nb::handle dtype, bool keepdims,
              nb::handle out) {
  if (!out.is_none()) type_error(name, "out is not supported; assign the result");
  const DType d = dtype_argument(dtype.ptr());
  const Tensor t = tensor_argument(name, x.ptr());
  return over_axes(name, t, axis, keepdims, [&](const Tensor& values, const Dims& axes, bool keep) {
    if (d == DType::none) return kFunction(values, axes, keep);
    return kFunction(values.to(d), axes, keep).to(d);
  });
}

template <Reduction kFunction>
void bind_reduction(nb::module_& m, const char* name, const char* doc) {
  m.def(
      name,
      [name](nb::handle x, nb::handle axis, nb::handle dtype, bool keepdims) {
        return reduce<kFunction>(name, x, axis, dtype, keepdims, nb::none());
      },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = nb::none(), nb::arg("dtype") = nb::none(),
      nb::arg("keepdims") = false, doc);
  method(
      name,
      [name](Self x, nb::handle axis, nb::handle dtype, bool keepdims, nb::handle out) {
        return reduce<kFunction>(name, x.object(), axis, dtype, keepdims, out);
      },
      nb::arg("axis") = nb::none(), nb::arg("dtype") = nb::none(), nb::arg("keepdims") = false,
      nb::arg("out") = nb::none(), doc);
}

template <ArgReduction kFunction>
void bind_arg_reduction(nb::module_& m, const char* name, const char* doc) {
  const auto call = [name](const Tensor& x, nb::handle axis, bool keepdims) {
    const int64_t along = int_argument(name, "axis", axis.ptr(), kUnset);
    return in_long_call(x, [&] { return kFunction(x, along, keepdims); });
  };
  m.def(
      name, [call](Self x, nb::handle axis, bool keepdims) { return call(*x, axis, keepdims); },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = nb::none(), nb::arg("keepdims") = false, doc);
  method(
      name, [call](Self x, nb::handle axis, bool keepdims) { return call(*x, axis, keepdims); },
      nb::arg("axis") = nb::none(), nb::arg("keepdims") = false, doc);
}

using Spread = Tensor (*)(const Tensor&, DimsView, double, bool);
template <Spread kFunction>
void bind_spread(nb::module_& m, const char* name, const char* doc) {
  const auto call = [name](const Tensor& x, nb::handle axis, double correction, bool keepdims) {
    return over_axes(name, x, axis, keepdims,
                     [&](const Tensor& values, const Dims& axes, bool keep) {
                       return kFunction(values, axes, correction, keep);
                     });
  };
  m.def(
      name,
      [call](Self x, nb::handle axis, double correction, bool keepdims) {
        return call(*x, axis, correction, keepdims);
      },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = nb::none(), nb::arg("correction") = 0.0,
      nb::arg("keepdims") = false, doc);
  method(
      name,
      [call](Self x, nb::handle axis, double correction, bool keepdims) {
        return call(*x, axis, correction, keepdims);
      },
      nb::arg("axis") = nb::none(), nb::arg("correction") = 0.0, nb::arg("keepdims") = false, doc);
}

void bind_reductions(nb::module_& m) {
  bind_reduction<&sum>(m, "sum",
                       "The sum over axes (all, where axis is None). Small integers sum as int64.");
  bind_reduction<&prod>(m, "prod", "The product over axes.");
  bind_reduction<&mean>(m, "mean", "The mean over axes, floating.");
  bind_reduction<&max>(m, "max", "The largest over axes; NaN if there is one.");
  bind_reduction<&min>(m, "min", "The smallest over axes; NaN if there is one.");
  bind_reduction<&any>(m, "any", "Is one of them not 0?");
  bind_reduction<&all>(m, "all", "Are all of them not 0?");
  bind_arg_reduction<&argmax>(m, "argmax",
                              "Position of the first largest element, along an axis or in all.");
  bind_arg_reduction<&argmin>(m, "argmin",
                              "Position of the first smallest element, along an axis or in all.");
  bind_spread<&var>(m, "var", "Sum of squared deviations divided by n - correction.");
  bind_spread<&tenon::std>(m, "std", "The square root of var().");
  m.def(
      "logsumexp",
      [](Self x, nb::handle axis, bool keepdims) {
        return over_axes("logsumexp", *x, axis, keepdims, &logsumexp);
      },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = nb::none(), nb::arg("keepdims") = false,
      "log(sum(exp(x))) without overflow.");
}

Tensor reshape_to(const Tensor& x, const Dims& shape, std::optional<bool> copy) {
  Tensor t = in_long_call(x, [&] { return reshape(x, shape); });
  if (!copy.has_value()) return t;
  const bool shared = t.shares_storage_with(x);
  if (!*copy && !shared) {
    fail(ErrorCode::kInvalidArgument, "reshape", "shape ", shape_text(shape), " of ", describe(x),
         " needs a copy, and copy=False forbids one");
  }
  return *copy && shared ? in_long_call(t, [&] { return t.clone(); }) : t;
}

Tensor permute(const Tensor& x, const Dims& axes) { return permute_dims(x, axes); }
// PyTorch's name, which never copies.
Tensor view(const Tensor& x, const Dims& shape) { return reshape_to(x, shape, false); }
Tensor reshape_freely(const Tensor& x, const Dims& shape) {
  return reshape_to(x, shape, std::nullopt);
}
Tensor expand(const Tensor& x, const Dims& shape) {
  Dims target = shape;
  const int extra = target.size() - x.ndim();
  for (int i = 0; i < target.size(); ++i) {
    if (target[i] == -1 && i >= extra) target[i] = x.shape()[i - extra];
  }
  return broadcast_to(x, target);
}

// Methods that take a shape or its sizes: reshape((2, 3)), reshape(2, 3).
template <Tensor (*kFunction)(const Tensor&, const Dims&)>
PyObject* shaped(PyObject* self, PyObject* const* sizes, Py_ssize_t n) {
  return guarded(
      [&] { return wrap(kFunction(tensor_of(self), shape_arguments("shape", sizes, n))); });
}
template <Tensor (*kFunction)(const Tensor&, const Dims&)>
PyMethodDef shape_method(const char* name, const char* doc) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&shaped<kFunction>)),
          METH_FASTCALL, doc};
}
PyMethodDef shape_methods[] = {
    shape_method<&reshape_freely>("reshape",
                                  "reshape(*shape) -> Tensor\n\nThe same elements in another "
                                  "shape: a view where strides allow."),
    shape_method<&view>("view",
                        "view(*shape) -> Tensor\n\nThe same memory in another shape; raises where "
                        "strides do not allow that."),
    shape_method<&permute>(
        "permute", "permute(*axes) -> Tensor\n\nAxis i of the result is axis axes[i]; a view."),
    shape_method<&expand>("expand", "expand(*shape) -> Tensor\n\nbroadcast_to(); -1 keeps a size."),
    {nullptr, nullptr, 0, nullptr},
};

void bind_views(nb::module_& m) {
  add_methods(shape_methods);
  m.def(
      "reshape",
      [](Self x, nb::handle shape, nb::handle copy) {
        return reshape_to(*x, shape_argument("reshape", shape.ptr()),
                          optional_bool_argument("reshape", copy.ptr()));
      },
      nb::arg("x"), nb::arg("shape"), nb::kw_only(), nb::arg("copy") = nb::none(),
      "The same elements in another shape (one size may be -1): a view where strides allow.");
  method(
      "flatten", [](Self x) { return reshape_to(*x, Dims{-1}, std::nullopt); },
      "All elements along one axis.");
  m.def(
      "permute_dims",
      [](Self x, nb::handle axes) {
        return permute_dims(*x, shape_argument("permute_dims", axes.ptr()));
      },
      nb::arg("x"), nb::arg("axes"), "Axis i of the result is axis axes[i] of x; a view.");
  method(
      "transpose",
      [](Self x, int64_t a, int64_t b) {
        Dims axes(x->ndim(), 0);
        for (int i = 0; i < x->ndim(); ++i) axes[i] = i;
        std::swap(axes[normalize_axis("transpose", a, x->ndim())],
                  axes[normalize_axis("transpose", b, x->ndim())]);
        return permute_dims(*x, axes);
      },
      nb::arg("dim0") = -2, nb::arg("dim1") = -1, "Two axes swapped; a view.");
  method(
      "t", [](Self x) { return x->ndim() < 2 ? *x : x->transpose(); },
      "The transposed matrix; a view.");
  m.def(
      "matrix_transpose", [](Self x) { return matrix_transpose(*x); }, nb::arg("x"),
      "The last two axes swapped; a view.");
  m.def(
      "expand_dims", [](Self x, int64_t axis) { return expand_dims(*x, axis); }, nb::arg("x"),
      nb::kw_only(), nb::arg("axis") = 0, "A new axis of size 1; a view.");
  method(
      "unsqueeze", [](Self x, int64_t axis) { return expand_dims(*x, axis); }, nb::arg("dim"),
      "A new axis of size 1; a view.");
  m.def(
      "squeeze",
      [](Self x, nb::handle axis) {
        const Dims axes = axes_argument("squeeze", axis.ptr());
        return nb::isinstance<nb::tuple>(axis) && axes.empty() ? *x : squeeze(*x, axes);
      },
      nb::arg("x"), nb::arg("axis") = nb::none(),
      "Without the named axes, which have size 1; a view.");
  method(
      "squeeze",
      [](Self x, nb::handle axis) { return squeeze(*x, axes_argument("squeeze", axis.ptr())); },
      nb::arg("axis") = nb::none(), "Without the named axes, which have size 1; a view.");
  m.def(
      "broadcast_to",
      [](Self x, nb::handle shape) {
        return broadcast_to(*x, shape_argument("broadcast_to", shape.ptr()));
      },
      nb::arg("x"), nb::arg("shape"), "x read as this shape, repeating axes of size 1; a view.");
  m.def(
      "flip", [](Self x, nb::handle axis) { return flip(*x, axes_argument("flip", axis.ptr())); },
      nb::arg("x"), nb::kw_only(), nb::arg("axis") = nb::none(),
      "Reversed along axes (all, where None): negative strides, no copy.");
  method(
      "flip", [](Self x, nb::handle axis) { return flip(*x, axes_argument("flip", axis.ptr())); },
      nb::arg("axis") = nb::none(), "Reversed along axes: negative strides, no copy.");
}

void bind_joins(nb::module_& m) {
  m.def(
      "concat",
      [](nb::handle arrays, nb::handle axis) {
        std::vector<Tensor> t = tensors_argument("concat", arrays.ptr());
        int64_t along = 0;
        if (axis.is_none()) {
          for (Tensor& x : t) x = x.reshape({-1});
        } else {
          along = int_argument("concat", "axis", axis.ptr());
        }
        return in_long_call(true, [&] { return concat(t, along); });
      },
      nb::arg("arrays"), nb::kw_only(), nb::arg("axis").none() = 0,
      "Along an existing axis; flattened where axis is None.");
  m.def(
      "stack",
      [](nb::handle arrays, int64_t axis) {
        const std::vector<Tensor> t = tensors_argument("stack", arrays.ptr());
        return in_long_call(true, [&] { return stack(t, axis); });
      },
      nb::arg("arrays"), nb::kw_only(), nb::arg("axis") = 0, "Along a new axis.");
  m.def(
      "take",
      [](Self x, nb::handle indices, nb::handle axis) {
        if (axis.is_none() && x->ndim() != 1)
          fail(ErrorCode::kAxis, "take", "axis is needed for ", x->ndim(), " dimensions");
        const Tensor i = tensor_argument("take", indices.ptr());
        const int64_t along = int_argument("take", "axis", axis.ptr(), 0);
        return in_long_call(*x, [&] { return take(*x, i, along); });
      },
      nb::arg("x"), nb::arg("indices"), nb::kw_only(), nb::arg("axis") = nb::none(),
      "x[.., indices, ..] along an axis.");
  m.def(
      "take_along_axis",
      [](Self x, nb::handle indices, int64_t axis) {
        const Tensor i = tensor_argument("take_along_axis", indices.ptr());
        return in_long_call(*x, [&] { return take_along_axis(*x, i, axis); });
      },
      nb::arg("x"), nb::arg("indices"), nb::kw_only(), nb::arg("axis") = -1,
      "result[i, j] = x[i, indices[i, j]]");
}

void bind_products(nb::module_& m) {
  m.def(
      "matmul",
      [](nb::handle a, nb::handle b) {
        const Tensor x = tensor_argument("matmul", a.ptr()), y = tensor_argument("matmul", b.ptr());
        return in_long_call(x.size() + y.size() >= 2048, [&] { return matmul(x, y); });
      },
      nb::arg("x1"), nb::arg("x2"), "The matrix product; stacks of matrices broadcast.");
  m.def(
      "linear",
      [](Self x, Self weight, nb::handle bias) {
        const Tensor b = bias.is_none() ? Tensor() : tensor_argument("linear", bias.ptr());
        return in_long_call(x->size() + weight->size() >= 2048,
                            [&] { return linear(*x, *weight, b); });
      },
      nb::arg("x"), nb::arg("weight"), nb::arg("bias") = nb::none(),
      "x @ weight.mT + bias in one pass.");
  m.def(
      "softmax",
      [](Self x, int64_t axis) { return in_long_call(*x, [&] { return softmax(*x, axis); }); },
      nb::arg("x"), nb::arg("axis") = -1, "exp(x) / sum(exp(x)) along an axis, without overflow.");
  m.def(
      "log_softmax",
      [](Self x, int64_t axis) { return in_long_call(*x, [&] { return log_softmax(*x, axis); }); },
      nb::arg("x"), nb::arg("axis") = -1, "log(softmax(x)), without cancellation.");
  m.def(
      "layer_norm",
      [](Self x, nb::handle normalized_shape, nb::handle weight, nb::handle bias, double eps) {
        const Dims shape = shape_argument("layer_norm", normalized_shape.ptr());
        const auto parameter = [](nb::handle p) {
          return p.is_none() ? Tensor() : tensor_argument("layer_norm", p.ptr());
        };
        const Tensor w = parameter(weight), b = parameter(bias);
        return in_long_call(*x, [&] { return layer_norm(*x, shape, w, b, eps); });
      },
      nb::arg("x"), nb::arg("normalized_shape"), nb::arg("weight") = nb::none(),
      nb::arg("bias") = nb::none(), nb::arg("eps") = 1e-5,
      "(x - mean) / sqrt(var + eps) * weight + bias over the last axes.");
  m.def(
      "cross_entropy",
      [](Self logits, nb::handle targets) {
        const Tensor t = tensor_argument("cross_entropy", targets.ptr());
        return in_long_call(*logits, [&] { return cross_entropy(*logits, t); });
      },
      nb::arg("logits"), nb::arg("targets"),
      "Mean of -log softmax(logits)[target]; targets are class numbers.");
  m.def(
      "dropout", [](Self x, double p) { return in_long_call(*x, [&] { return dropout(*x, p); }); },
      nb::arg("x"), nb::arg("p") = 0.5,
      "Each element is 0 with probability p, the others grow by 1 / (1 - p).");
}

void bind_inplace() {
  method(
      "copy_",
      [](Self self, nb::handle source) {
        const Tensor from = tensor_argument("copy_", source.ptr());
        in_long_call(*self, [&] { return &self->copy_(from); });
        return self.itself();
      },
      nb::arg("source"), "Writes the source's elements, broadcast and cast, into this tensor.");
  method(
      "fill_",
      [](Self self, nb::handle value) {
        const Scalar v = scalar_argument("fill_", value.ptr());
        in_long_call(*self, [&] { return &self->fill_(v); });
        return self.itself();
      },
      nb::arg("value"), "Writes one number into every element.");
  method(
      "zero_",
      [](Self self) {
        in_long_call(*self, [&] { return &self->zero_(); });
        return self.itself();
      },
      "Writes 0 into every element.");
}

}  // namespace

void bind_functions(nb::module_& m) {
  bind_reductions(m);
  bind_views(m);
  bind_joins(m);
  bind_products(m);
  bind_inplace();
}

}  // namespace tenon::python
