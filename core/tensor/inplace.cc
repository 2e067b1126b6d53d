// Views and writes in place: who may be written, and what a write does to the records of others.
#include <atomic>
#include <mutex>

#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

// Set by every view that is made (always to the same table), so that it is there before it is
// needed.
std::atomic<const ViewOps*> view_ops{nullptr};

}  // namespace

Tensor view_of(const Tensor& x, DimsView shape, DimsView strides, int64_t offset,
               const ViewOps& ops) {
  view_ops.store(&ops, std::memory_order_relaxed);
  TensorImpl* root = x.impl()->base ? x.impl()->base : x.impl();
  // A view made without recording, of something that has a history, is like detach(): writes
  // through it are noticed by the version, but carry no gradient.
  if (!detail::grad_mode && (root->node || x.impl()->node))
    return alias(x, x.dtype(), shape, strides, offset);
  // The root holds the storage for all its views.
  Tensor v = adopt_storage(x.impl()->storage, x.dtype(), shape, strides, offset);
  retain(root);
  v.impl()->base = root;
  v.impl()->base_version = v.version();
  return v;
}

Node* view_node(TensorImpl& view) {
  const uint32_t version = view.storage->version.load(std::memory_order_acquire);
  const auto current = [&] {
    return __atomic_load_n(&view.base_version, __ATOMIC_ACQUIRE) == version;
  };
  if (current()) return load_node(view);
  // Two threads may read one view that is out of date: one of them makes its record anew. What it
  // replaces is destroyed without the lock.
  static constinit std::mutex renewal;
  Node* old = nullptr;
  {
    const std::lock_guard<std::mutex> lock(renewal);
    if (current()) return load_node(view);
    if (view.base->node) {
      // The base was written, here or through another view: this view's history is the base's, cut
      // out.
      retain(view.base);
      retain(&view);
      const Tensor base = Tensor::adopt(view.base), x = Tensor::adopt(&view);
      Node* fresh = view_ops.load(std::memory_order_relaxed)->as_strided_node(base, x);
      old = view.node;
      view.output_index = 0;
      store_node(view, fresh);
    } else if (view.node && !view.node->leaf) {
      // Nothing of the base's history is left, so neither of the view's; a view may still be a leaf
      // of its own.
      old = view.node;
      store_node(view, nullptr);
    }
    __atomic_store_n(&view.base_version, version, __ATOMIC_RELEASE);
  }
  if (old) release(old);
  return load_node(view);
}

void check_writable(const char* operation, const Tensor& x) {
  if (!x.defined())
    fail(ErrorCode::kInvalidArgument, operation, "the tensor to write is undefined");
  const TensorImpl* t = x.impl();
  if (__builtin_expect(t->storage->read_only, 0)) {
    fail(ErrorCode::kReadOnly, operation, describe(x),
         " is read-only: it shares memory that may only be read. Write to its clone() instead");
  }
  if (__builtin_expect(!t->contiguous, 0) && may_self_overlap(t->shape_view(), t->strides_view())) {
    fail(ErrorCode::kInvalidArgument, operation,
         "unsupported operation: more than one element of the written-to tensor refers to a single "
         "memory location (",
         describe(x), " with strides ", shape_text(t->strides_view()),
         "). Please clone() the tensor before performing the operation");
  }
  if (detail::grad_mode) {
    if (t->base && t->base->node && t->base->node->leaf) {
      fail(ErrorCode::kAutograd, operation,
           "a view of a leaf Variable that requires grad is being used in an in-place operation (",
           describe(x), "). Write inside a NoGradScope, or to a clone()");
    }
    if (t->node && t->node->leaf) {
      fail(ErrorCode::kAutograd, operation,
           "a leaf Variable that requires grad is being used in an in-place operation (",
           describe(x), "). Write inside a NoGradScope, or to a clone()");
    }
  }
}

void rebase_history(const Tensor& x, Node* node, uint32_t index) {
  TensorImpl* t = x.impl();
  TensorImpl* base = t->base;
  if (base && (node || base->node)) {
    retain(base);
    const Tensor root = Tensor::adopt(base);
    Node* fresh = view_ops.load(std::memory_order_relaxed)->set_slice_node(root, x, node, index);
    set_node(root, *fresh, 0);
    release(fresh);
  }
  if (node) {
    set_node(x, *node, index);
  } else {
    if (t->node) release(t->node);
    store_node(*t, nullptr);
    __atomic_store_n(&t->base_version, t->storage->version.load(std::memory_order_acquire),
                     __ATOMIC_RELEASE);
  }
}

}  // namespace tenon
