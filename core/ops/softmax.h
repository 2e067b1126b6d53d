// Softmax and what is built on it.
#ifndef TENON_OPS_SOFTMAX_H_
#define TENON_OPS_SOFTMAX_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// exp(x) / sum(exp(x)) along axis, without overflow (the maximum is subtracted). Floating dtypes.
Tensor softmax(const Tensor& x, int64_t axis = -1);
// log(softmax(x)), without cancellation.
Tensor log_softmax(const Tensor& x, int64_t axis = -1);
// log(sum(exp(x))) over axes, without overflow.
Tensor logsumexp(const Tensor& x, DimsView axes = {}, bool keepdims = false);
// Mean over the batch of -log softmax(logits)[target]: logits [n, classes], targets int32 or int64
// [n]. A target out of range contributes nothing and raises in debug checks only; validate labels
// when loading them.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets);

}  // namespace tenon

#endif  // TENON_OPS_SOFTMAX_H_
