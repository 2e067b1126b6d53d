// TensorImpl and Node: what stands behind a Tensor handle, and the record of how it was computed.
// For the floors above; not part of the public API.
//
// A tensor is one block of memory: layout inline up to 8 dimensions, and on host memory its storage
// and up to 512 bytes of data in the same block. A record (Node) is plain data: a static
// description of the operation, edges to the records of its inputs, saved tensors with their
// versions, and a payload. The engine that walks records is in core/autograd.
#ifndef TENON_TENSOR_IMPL_H_
#define TENON_TENSOR_IMPL_H_

#include <atomic>
#include <cstdint>
#include <new>

#include "tenon/base/trace.h"
#include "tenon/tensor/block.h"
#include "tenon/tensor/storage.h"
#include "tenon/tensor/tensor.h"

namespace tenon {

struct Node;

struct TensorImpl {
  std::atomic<uint32_t> references;
  DType dtype;
  uint8_t rank;
  uint8_t block_class;
  bool contiguous;  // row-major
  Storage* storage;
  int64_t offset;    // of the first element, in elements
  int64_t size;      // number of elements
  int64_t* sizes;    // rank of them
  int64_t* strides;  // rank of them
  // The record whose output `output_index` this is; null if no gradient flows here. A leaf that
  // requires a gradient has a record too, of kind accumulate.
  Node* node;
  uint32_t output_index;
  // Views: the root they look at (strong; it holds the storage for them), and the storage version
  // at which `node` was true.
  uint32_t base_version;
  TensorImpl* base;
  int64_t inline_dims[2 * Dims::kInline];

  DimsView shape_view() const { return {sizes, rank}; }
  DimsView strides_view() const { return {strides, rank}; }
  DeviceState& device() const { return *storage->device; }
  uint64_t byte_offset() const {
    return storage->memory.offset + static_cast<uint64_t>(offset * item_size(dtype));
  }
};

inline constexpr size_t kEmbeddedData = 512;

inline void retain(TensorImpl* t) { t->references.fetch_add(1, std::memory_order_relaxed); }
void destroy_tensor(TensorImpl* t) noexcept;
inline void release(TensorImpl* t) noexcept {
  if (drop_reference(t->references)) destroy_tensor(t);
}

// A tensor with fresh, undefined, contiguous memory.
Tensor new_tensor(DeviceState& device, DType dtype, DimsView shape);
// ... with these strides (a permutation of a dense layout: core's "keep the layout").
Tensor new_tensor_strided(DeviceState& device, DType dtype, DimsView shape, DimsView strides);
// A tensor over a storage, whose reference it takes over on success.
Tensor adopt_storage(Storage* storage, DType dtype, DimsView shape, DimsView strides,
                     int64_t offset);
// Another look at x's storage; no record, not a view for in-place purposes.
Tensor alias(const Tensor& x, DType dtype, DimsView shape, DimsView strides, int64_t offset);
// The same layout and storage without record: detach().
Tensor alias(const Tensor& x);
// A float8 tensor as the uint8 of the same bits, which every device moves about; others as they
// are.
Tensor bits_of_float8(const Tensor& x);
// Throws kDType if x is a float8, which is stored and converted but not computed with.
void check_computes(std::string_view operation, const Tensor& x);

// What the tensor floor needs of the operations above it; core/ops/views.cc hands it in with every
// view it makes.
struct ViewOps {
  // A record for `view` (layout of its impl) of `base`, whose record is current. One reference.
  Node* (*as_strided_node)(const Tensor& base, const Tensor& view);
  // A record for base after view was overwritten by output `index` of `node` (may be null). One
  // reference.
  Node* (*set_slice_node)(const Tensor& base, const Tensor& view, Node* node, uint32_t index);
};
// A view: an alias that remembers x's root as its base.
Tensor view_of(const Tensor& x, DimsView shape, DimsView strides, int64_t offset,
               const ViewOps& ops);

// ---- records
// -----------------------------------------------------------------------------------------------

struct Edge {
  Node* node = nullptr;  // strong; null: no gradient wanted
  uint32_t output_index = 0;
};

// A tensor kept for backward, with the version its storage had. An operation's own output is kept
// without its record, which would be a cycle.
struct SavedTensor {
  TensorImpl* impl = nullptr;  // strong
  Node* node = nullptr;        // strong unless own_output; the record it had when saved
  uint32_t output_index = 0;
  uint32_t version = 0;
  bool own_output = false;
};

// What the engine knows of one call of a vjp.
struct VjpCall {
  Node& node;
  const Tensor* gradients;  // per output; undefined means zero
  Tensor* results;  // per input; filled where node.edges()[i].node is set; undefined means zero
};

// The static description of an operation; records point to it. jvp and batch enter here later.
struct OpInfo {
  const char* name;
  void (*vjp)(const VjpCall& call);
  void (*destroy_payload)(void* payload);  // may be null
};

struct Hooks;  // record.cc

struct Node {
  std::atomic<uint32_t> references;
  uint8_t block_class;  // 255: from the heap
  bool leaf;            // accumulates into a leaf's grad
  bool freed;           // saved tensors are gone
  uint16_t n_inputs, n_outputs, n_saved;
  const OpInfo* op;
  uint64_t sequence;  // larger than that of every record it has an edge to; 0 for leaves
  std::atomic<Hooks*> hooks;
  Edge* edges;         // n_inputs
  SavedTensor* saved;  // n_saved
  void* payload;

  template <class P>
  P& payload_as() const {
    return *static_cast<P*>(payload);
  }
  // Does input i want a gradient?
  bool wants(int i) const { return edges[i].node != nullptr; }
};

inline void retain(Node* n) { n->references.fetch_add(1, std::memory_order_relaxed); }
void destroy_node(Node* n) noexcept;  // iterative: a chain of any length
inline void release(Node* n) noexcept {
  if (drop_reference(n->references)) destroy_node(n);
}

// A record with room for these; edges unset, payload bytes uninitialised. One reference.
Node* new_node(const OpInfo& op, int n_inputs, int n_saved, size_t payload_bytes,
               int n_outputs = 1);
// Input i of the record is x (sets the edge if x's gradient is wanted).
void set_edge(Node& node, int i, const Tensor& x);
// Keeps x for backward.
void save_input(Node& node, int i, const Tensor& x);
void save_output(Node& node, int i, const Tensor& x);
// The saved tensor, with its record; throws if it was freed or its storage written since.
Tensor unpack(const Node& node, int i);
// Drops the saved tensors: a second backward says so.
void free_saved(Node& node) noexcept;
// y is output `index` of the record. Takes over no reference.
void set_node(const Tensor& y, Node& node, uint32_t index = 0);

// Is a record wanted for an operation on x? (grad mode and x's own flag)
namespace detail {
extern thread_local constinit bool grad_mode;
}
// A view's record may be made anew by one thread that reads the view while another asks for it.
inline Node* load_node(const TensorImpl& t) { return __atomic_load_n(&t.node, __ATOMIC_RELAXED); }
inline void store_node(TensorImpl& t, Node* node) {
  __atomic_store_n(&t.node, node, __ATOMIC_RELAXED);
}
// The record of x, made anew first if x is a view whose base was written since.
Node* view_node(TensorImpl& view);
inline Node* node_of(const Tensor& x) {
  TensorImpl* t = x.impl();
  return __builtin_expect(t->base == nullptr, 1) ? t->node : view_node(*t);
}
inline bool wants_grad(const Tensor& x) {
  const TensorImpl* i = x.impl();
  // A view may have got a gradient through a write to its base.
  return detail::grad_mode &&
         (load_node(*i) != nullptr ||
          (__builtin_expect(i->base != nullptr, 0) && i->base->node != nullptr));
}

// The leaf's own state.
struct LeafState;
Tensor leaf_grad(const Node& leaf);
void set_leaf_grad(Node& leaf, const Tensor& gradient);
// Replaces the leaf's gradient g by combine(g, gradient) under the leaf's lock; g may be undefined.
void update_leaf_grad(Node& leaf, const Tensor& gradient,
                      Tensor (*combine)(Tensor current, const Tensor& gradient));
// The gradient after the hooks registered on this output, in order of registration.
Tensor run_hooks(Node& node, uint32_t output_index, Tensor gradient);

// ---- writing in place
// ----------------------------------------------------------------------------------------

// Throws unless `operation` may write x: read-only storage, self-overlapping layout, a leaf that
// requires a gradient.
void check_writable(const char* operation, const Tensor& x);
// After the write: counts it and notes who did it.
inline void note_write(const Tensor& x, const char* operation) {
  Storage* s = x.impl()->storage;
  s->version.fetch_add(1, std::memory_order_acq_rel);
  s->last_writer.store(operation, std::memory_order_relaxed);
  if (__builtin_expect(write_trace::enabled(), 0)) write_trace::note_write(s);
}
// x was overwritten by output `index` of `node` (null: by a value without gradient, with x's old
// history gone or kept as `node` says). Rebases x's base if x is a view.
void rebase_history(const Tensor& x, Node* node, uint32_t index);

}  // namespace tenon

#endif  // TENON_TENSOR_IMPL_H_
