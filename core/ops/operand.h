// Operand: an argument of an elementwise function -- a tensor or a number.
#ifndef TENON_OPS_OPERAND_H_
#define TENON_OPS_OPERAND_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// Made in place by a call: add(t, 2), maximum(0.5, t). Refers to the caller's tensor; never stored.
class Operand {
 public:
  Operand(const Tensor& t) : tensor_(&t) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  requires std::is_arithmetic_v<T> Operand(T value)  // NOLINT(google-explicit-constructor)
      : scalar_(value) {}
  Operand(Scalar value) : scalar_(value) {}  // NOLINT(google-explicit-constructor)

  bool is_tensor() const { return tensor_ != nullptr; }
  const Tensor& tensor() const { return *tensor_; }
  const Scalar& scalar() const { return scalar_; }

 private:
  const Tensor* tensor_ = nullptr;
  Scalar scalar_;
};

}  // namespace tenon

#endif  // TENON_OPS_OPERAND_H_
