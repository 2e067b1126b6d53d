#include "tenon/ops/complex.h"

#include <algorithm>

#include "tenon/ops/complex_form.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

DType part_dtype(DType d) { return d == DType::complex64 ? DType::float32 : DType::float64; }

// Part 0 or 1 of a complex tensor, in its memory.
Tensor part_of(const Tensor& x, int64_t part) {
  Dims strides(x.strides());
  for (int64_t& s : strides) s *= 2;
  return alias(x, part_dtype(x.dtype()), x.shape(), strides, 2 * x.impl()->offset + part);
}

// The operands of a form, and what they say together.
struct Parts {
  std::vector<Tensor> views;  // that the operands refer to
  std::vector<Operand> operands;
  DType dtype = DType::none;
  Dims shape;
  const Tensor* first = nullptr;

  Parts(const char* name, std::span<const Operand> given) {
    views.reserve(2 * given.size());
    for (const Operand& o : given) {
      if (!o.is_tensor()) {
        operands.push_back(o);
        operands.emplace_back(0);
        continue;
      }
      const Tensor& t = o.tensor();
      add(name, t);
      if (!is_complex(t.dtype())) {
        operands.emplace_back(t);
        operands.emplace_back(0);
        continue;
      }
      for (int64_t k : {0, 1}) operands.emplace_back(views.emplace_back(part_of(t, k)));
    }
  }
  void add(const char* name, const Tensor& t) {
    if (!t.defined()) fail(ErrorCode::kInvalidArgument, name, "an argument is an undefined tensor");
    if (wants_grad(t)) {
      fail(ErrorCode::kAutograd, name, describe(t),
           " requires a gradient, which cannot go through a complex dtype; detach() it");
    }
    if (!first) first = &t;
    if (!(t.device() == first->device())) {
      fail(ErrorCode::kDevice, name, "Expected all tensors to be on the same device, but found ",
           describe(*first), " and ", describe(t), ". Move one with to()");
    }
    dtype = dtype == DType::none ? t.dtype() : promote(dtype, t.dtype());
    shape = broadcast_shapes(name, shape, t.shape());
  }
};

// condition, then the parts of x and y.
constinit MapOp where_op("where", 5, 2, DTypeClass::condition,
                         [](const map::Value* in, map::Value* out, map::Builder&, const void*) {
                           out[0] = select(in[0], in[1], in[3]);
                           out[1] = select(in[0], in[2], in[4]);
                         });

Tensor into_new(MapOp& op, const Parts& parts) {
  Tensor y = new_tensor(parts.first->impl()->device(), parts.dtype, parts.shape);
  Tensor targets[] = {part_of(y, 0), part_of(y, 1)};
  op.call_into(targets, parts.operands.data());
  return y;
}

}  // namespace

Tensor real(const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "real", "the tensor is undefined");
  return is_complex(x.dtype()) ? part_of(x, 0) : x;
}

Tensor imag(const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "imag", "the tensor is undefined");
  return is_complex(x.dtype()) ? part_of(x, 1) : zeros_like(x);
}

Tensor complex(const Tensor& real, const Tensor& imag) {
  Parts parts("complex", {});
  for (const Tensor* t : {&real, &imag}) {
    parts.add("complex", *t);
    if (!is_floating(t->dtype())) {
      fail(ErrorCode::kDType, "complex", "the parts are floating, not ", describe(*t),
           "; convert it with astype()");
    }
  }
  const DType d = parts.dtype == DType::float64 ? DType::complex128 : DType::complex64;
  Tensor y = new_tensor(real.impl()->device(), d, parts.shape);
  raw_copy(part_of(y, 0), real);
  raw_copy(part_of(y, 1), imag);
  return y;
}

Tensor full_complex(DimsView shape, double real, double imag, DType dtype, Device device) {
  if (dtype == DType::none) dtype = DType::complex64;
  if (!is_complex(dtype)) {
    fail(ErrorCode::kDType, "full", "a complex number does not fit into ", dtype_name(dtype),
         "; take complex64 or complex128, or its real part");
  }
  Tensor y = empty(shape, dtype, device);
  raw_fill(part_of(y, 0), real);
  raw_fill(part_of(y, 1), imag);
  return y;
}

Tensor call_complex(const char* name, const ComplexForm& form, std::span<const Operand> operands) {
  const Parts parts(name, operands);
  if (form.gives_complex) return into_new(*form.op, parts);
  Tensor y;
  form.op->call(parts.operands.data(), &y);
  return y;
}

void call_complex_inplace(const char* name, const ComplexForm& form, Tensor& x,
                          std::span<const Operand> operands) {
  check_writable(name, x);
  const Parts parts(name, operands);
  if (!form.gives_complex || !is_complex(x.dtype())) {
    fail(ErrorCode::kDType, name, "the result cannot be cast to the dtype of ", describe(x),
         "; use the function without the underscore");
  }
  if (parts.shape != Dims(x.shape())) {
    fail(ErrorCode::kShape, name, "a result of shape ", shape_text(parts.shape),
         " does not fit into ", describe(x), ", which is written in place");
  }
  Tensor targets[] = {part_of(x, 0), part_of(x, 1)};
  form.op->call_into(targets, parts.operands.data());
}

Tensor where_complex(const Tensor& condition, const Operand& x, const Operand& y) {
  if (!condition.defined())
    fail(ErrorCode::kInvalidArgument, "where", "the condition is an undefined tensor");
  const Operand values[] = {x, y};
  Parts parts("where", values);
  parts.operands.insert(parts.operands.begin(), condition);
  parts.shape = broadcast_shapes("where", parts.shape, condition.shape());
  return into_new(where_op, parts);
}

}  // namespace tenon
