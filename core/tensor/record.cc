// Records: how a tensor was computed, as plain data. The engine that walks them is in
// core/autograd.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tenon/base/trace.h"
#include "tenon/tensor/alias_check.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace detail {
thread_local constinit bool grad_mode = true;
}  // namespace detail

bool grad_enabled() { return detail::grad_mode; }
NoGradScope::NoGradScope() : previous_(std::exchange(detail::grad_mode, false)) {}
NoGradScope::~NoGradScope() { detail::grad_mode = previous_; }
EnableGradScope::EnableGradScope() : previous_(std::exchange(detail::grad_mode, true)) {}
EnableGradScope::~EnableGradScope() { detail::grad_mode = previous_; }

// ---- life of a record
// ---------------------------------------------------------------------------------------

struct Hooks {
  struct Context {
    void* pointer = nullptr;
    void (*destroy)(void*) = nullptr;
    ~Context() {
      if (destroy) destroy(pointer);
    }
  };
  struct Hook {
    int64_t id;
    uint32_t output_index;
    Tensor (*call)(const Tensor&, void*);
    // A walk that has begun still calls a hook that is removed meanwhile.
    std::shared_ptr<Context> context;
  };
  std::mutex mutex;
  std::vector<Hook> list;
  int64_t next_id = 1;
};

namespace {

// Sequence numbers are handed out in runs, one per thread at a time.
constexpr uint64_t kRun = 256;
std::atomic<uint64_t> next_run{1};
struct Run {
  uint64_t next, end;
};
thread_local constinit Run sequence_run = {0, 0};
// Larger than every number that any thread has taken.
[[gnu::noinline]] uint64_t newest_sequence() {
  sequence_run.next = next_run.fetch_add(kRun, std::memory_order_relaxed);
  sequence_run.end = sequence_run.next + kRun;
  return sequence_run.next++;
}
// Larger than every number that this thread has taken.
uint64_t next_sequence() {
  return __builtin_expect(sequence_run.next != sequence_run.end, 1) ? sequence_run.next++
                                                                    : newest_sequence();
}

// Records waiting for destruction on this thread, as releasing an edge inside destroy_node() must
// not recurse: a list through their sequence numbers, which nobody reads any more. Null: nothing is
// being destroyed.
thread_local constinit uint64_t* doomed = nullptr;

void free_node(Node* n) noexcept {
  free_saved(*n);
  for (int i = 0; i < n->n_inputs; ++i) {
    if (n->edges[i].node) release(n->edges[i].node);
  }
  if (n->op->destroy_payload) n->op->destroy_payload(n->payload);
  delete n->hooks.load();
  if (n->block_class == 255) {
    std::free(n);
  } else {
    detail::return_block(n, n->block_class);
  }
}

}  // namespace

Node* new_node(const OpInfo& op, int n_inputs, int n_saved, size_t payload_bytes, int n_outputs) {
  const size_t edges_at = sizeof(Node);
  const size_t saved_at = edges_at + sizeof(Edge) * static_cast<size_t>(n_inputs);
  const size_t payload_at =
      (saved_at + sizeof(SavedTensor) * static_cast<size_t>(n_saved) + 15) / 16 * 16;
  const size_t bytes = payload_at + payload_bytes;
  const int which = detail::block_class(bytes);
  void* memory =
      which >= 0 ? detail::take_block(which) : std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) throw std::bad_alloc();
  auto* at = static_cast<std::byte*>(memory);
  Node* n = new (memory) Node;
  n->references.store(1, std::memory_order_relaxed);
  n->block_class = which >= 0 ? static_cast<uint8_t>(which) : 255;
  n->leaf = false;
  n->freed = false;
  n->n_inputs = static_cast<uint16_t>(n_inputs);
  n->n_outputs = static_cast<uint16_t>(n_outputs);
  n->n_saved = static_cast<uint16_t>(n_saved);
  n->op = &op;
  n->sequence = next_sequence();
  n->hooks.store(nullptr, std::memory_order_relaxed);
  n->edges = reinterpret_cast<Edge*>(at + edges_at);
  n->saved = reinterpret_cast<SavedTensor*>(at + saved_at);
  n->payload = at + payload_at;
  for (int i = 0; i < n_inputs; ++i) new (n->edges + i) Edge;
  for (int i = 0; i < n_saved; ++i) new (n->saved + i) SavedTensor;
  return n;
}

void destroy_node(Node* n) noexcept {
  if (doomed) {
    n->sequence = std::exchange(*doomed, reinterpret_cast<uint64_t>(n));
    return;
  }
  uint64_t head = 0;
  doomed = &head;
  free_node(n);
  while (head) {
    auto* next = reinterpret_cast<Node*>(head);
    head = next->sequence;
    free_node(next);
  }
  doomed = nullptr;
}

void free_saved(Node& node) noexcept {
  for (int i = 0; i < node.n_saved; ++i) {
    SavedTensor& s = node.saved[i];
    if (s.impl) release(s.impl);
    if (s.node && !s.own_output) release(s.node);
    s = SavedTensor();
  }
}

void set_edge(Node& node, int i, const Tensor& x) {
  if (!wants_grad(x)) return;
  Node* from = node_of(x);
  if (!from) return;
  // A view's record that was made anew just now, or one that another thread made, may have a larger
  // number than `node`, whose own consumers are yet to come.
  if (__builtin_expect(from->sequence > node.sequence, 0)) node.sequence = newest_sequence();
  retain(from);
  node.edges[i] = {from, x.impl()->output_index};
}

void save_input(Node& node, int i, const Tensor& x) {
  SavedTensor& s = node.saved[i];
  s.impl = x.impl();
  retain(s.impl);
  check_alias(*s.impl->storage);
  s.version = x.version();
  if (wants_grad(x)) {
    s.node = node_of(x);
    if (s.node) retain(s.node);
    s.output_index = s.impl->output_index;
  }
}

void save_output(Node& node, int i, const Tensor& x) {
  SavedTensor& s = node.saved[i];
  s.impl = alias(x).release();
  check_alias(*s.impl->storage);
  s.version = x.version();
  s.node = &node;
  s.own_output = true;
}

Tensor unpack(const Node& node, int i) {
  const SavedTensor& s = node.saved[i];
  if (!s.impl) {
    fail(ErrorCode::kAutograd, node.op->name,
         "Trying to backward through the graph a second time: the values that were saved for it "
         "are freed. "
         "Pass retain_graph = true to the first backward() if you need it again");
  }
  check_alias(*s.impl->storage);
  const uint32_t now = s.impl->storage->version.load(std::memory_order_acquire);
  if (now != s.version) {
    const char* writer = s.impl->storage->last_writer.load(std::memory_order_relaxed);
    retain(s.impl);
    const Tensor t = Tensor::adopt(s.impl);
    fail(ErrorCode::kAutograd, node.op->name,
         "one of the variables needed for gradient computation has been modified by an inplace "
         "operation: ",
         describe(t), " was saved at version ", s.version, " and is at version ", now,
         " now; last written by ", writer ? writer : "unknown",
         write_trace::last_write_text(s.impl->storage),
         ". Write to a clone() instead, or use the operation that is not in place");
  }
  Tensor x;
  if (!detail::grad_mode ||
      (load_node(*s.impl) == s.node && s.impl->output_index == s.output_index)) {
    retain(s.impl);
    x = Tensor::adopt(s.impl);
  } else {
    // Its own output, or a tensor whose record was replaced (requires_grad_, an in-place write of
    // another view).
    retain(s.impl);
    x = alias(Tensor::adopt(s.impl));
    if (s.node) set_node(x, *s.node, s.output_index);
  }
  return x;
}

void set_node(const Tensor& y, Node& node, uint32_t index) {
  TensorImpl* t = y.impl();
  retain(&node);
  Node* const old = t->node;
  t->output_index = index;
  store_node(*t, &node);
  if (t->base) {
    __atomic_store_n(&t->base_version, t->storage->version.load(std::memory_order_acquire),
                     __ATOMIC_RELEASE);
  }
  if (old) release(old);
}

// ---- leaves
// ---------------------------------------------------------------------------------------------------

struct LeafState {
  std::mutex mutex;
  Tensor grad;
};

namespace {

void leaf_vjp(const VjpCall&) {}
void destroy_leaf(void* payload) { static_cast<LeafState*>(payload)->~LeafState(); }
constexpr OpInfo kLeafOp = {"accumulate", &leaf_vjp, &destroy_leaf};

Node* new_leaf() {
  Node* n = new_node(kLeafOp, 0, 0, sizeof(LeafState));
  new (n->payload) LeafState;
  n->leaf = true;
  n->sequence = 0;
  return n;
}

}  // namespace

Tensor leaf_grad(const Node& leaf) {
  auto& state = leaf.payload_as<LeafState>();
  std::lock_guard<std::mutex> lock(state.mutex);
  return state.grad;
}

void set_leaf_grad(Node& leaf, const Tensor& gradient) {
  auto& state = leaf.payload_as<LeafState>();
  Tensor old;  // destroyed after the lock
  std::lock_guard<std::mutex> lock(state.mutex);
  old = std::move(state.grad);
  state.grad = gradient;
}

void update_leaf_grad(Node& leaf, const Tensor& gradient,
                      Tensor (*combine)(Tensor, const Tensor&)) {
  auto& state = leaf.payload_as<LeafState>();
  std::lock_guard<std::mutex> lock(state.mutex);
  state.grad = combine(state.grad, gradient);
}

// ---- Tensor's side
// ----------------------------------------------------------------------------------------------

bool Tensor::requires_grad() const { return node_of(*this) != nullptr; }

bool Tensor::is_leaf() const {
  Node* n = node_of(*this);
  return n == nullptr || n->leaf;
}

Tensor& Tensor::requires_grad_(bool value) {
  Node* n = node_of(*this);
  if (value) {
    if (n) return *this;
    if (!is_floating(dtype())) {
      fail(ErrorCode::kDType, "requires_grad_",
           "only Tensors of floating point dtype can require gradients, not ", describe(*this),
           "; convert it with astype()");
    }
    Node* leaf = new_leaf();
    set_node(*this, *leaf);
    tenon::release(leaf);
    return *this;
  }
  if (!n) return *this;
  if (!n->leaf) {
    fail(ErrorCode::kAutograd, "requires_grad_",
         "you can only change requires_grad flags of leaf variables; ", describe(*this),
         " was computed by ", n->op->name, ". Use detach() for a tensor without history");
  }
  impl_->node = nullptr;
  tenon::release(n);
  return *this;
}

Tensor Tensor::grad() const {
  Node* n = node_of(*this);
  return n && n->leaf ? leaf_grad(*n) : Tensor();
}

void Tensor::set_grad(const Tensor& gradient) {
  Node* n = node_of(*this);
  if (!n || !n->leaf) {
    if (!gradient.defined()) return;
    fail(ErrorCode::kAutograd, "set_grad", describe(*this),
         n ? " is not a leaf" : " does not require a gradient",
         "; only leaves that require a gradient hold one");
  }
  if (gradient.defined()) {
    const auto same_shape = gradient.shape().size() == shape().size() &&
                            std::equal(shape().begin(), shape().end(), gradient.shape().begin());
    if (!same_shape || gradient.dtype() != dtype() || !(gradient.device() == device())) {
      fail(ErrorCode::kShape, "set_grad", "the gradient is ", describe(gradient), ", the tensor ",
           describe(*this), "; they must agree");
    }
  }
  set_leaf_grad(*n, gradient);
}

Tensor Tensor::detach() const { return alias(*this); }

const char* Tensor::grad_fn_name() const {
  Node* n = node_of(*this);
  return n && !n->leaf ? n->op->name : nullptr;
}

int64_t Tensor::register_hook(Tensor (*hook)(const Tensor&, void*), void* context,
                              void (*destroy)(void*)) const {
  Node* n = node_of(*this);
  if (!n) {
    fail(ErrorCode::kAutograd, "register_hook", describe(*this),
         " does not require a gradient, so no hook would ever be called");
  }
  Hooks* hooks = n->hooks.load();
  if (!hooks) {
    auto* fresh = new Hooks;
    if (n->hooks.compare_exchange_strong(hooks, fresh)) {
      hooks = fresh;
    } else {
      delete fresh;
    }
  }
  auto kept = std::make_shared<Hooks::Context>();
  kept->pointer = context;
  std::lock_guard<std::mutex> lock(hooks->mutex);
  hooks->list.push_back({hooks->next_id, impl_->output_index, hook, kept});
  kept->destroy = destroy;  // the caller's again if anything threw
  return hooks->next_id++;
}

void Tensor::remove_hook(int64_t id) const {
  Node* n = node_of(*this);
  Hooks* hooks = n ? n->hooks.load() : nullptr;
  if (!hooks) return;
  std::shared_ptr<Hooks::Context> removed;  // destroyed after the lock
  std::lock_guard<std::mutex> lock(hooks->mutex);
  for (size_t i = 0; i < hooks->list.size(); ++i) {
    if (hooks->list[i].id != id) continue;
    removed = std::move(hooks->list[i].context);
    hooks->list.erase(hooks->list.begin() + static_cast<ptrdiff_t>(i));
    break;
  }
}

Tensor run_hooks(Node& node, uint32_t output_index, Tensor gradient) {
  Hooks* hooks = node.hooks.load(std::memory_order_acquire);
  if (__builtin_expect(hooks == nullptr, 1)) return gradient;
  std::vector<Hooks::Hook> list;
  {
    std::lock_guard<std::mutex> lock(hooks->mutex);
    list = hooks->list;
  }
  for (const Hooks::Hook& h : list) {
    if (h.output_index != output_index) continue;
    Tensor replaced = h.call(gradient, h.context->pointer);
    if (!replaced.defined()) continue;
    if (replaced.dtype() != gradient.dtype() || !(replaced.device() == gradient.device()) ||
        Dims(replaced.shape()) != Dims(gradient.shape())) {
      fail(ErrorCode::kAutograd, "register_hook", "the hook of ",
           node.leaf ? "a leaf" : concat_text("the result of ", node.op->name), " returned ",
           describe(replaced), " for the gradient ", describe(gradient),
           "; shape, dtype and device must be the gradient's");
    }
    gradient = std::move(replaced);
  }
  return gradient;
}

}  // namespace tenon
