// The walk goes from the newest record to the oldest: a record's sequence number is larger than
// that of every record it has an edge to, so when it is the largest one waiting, all its gradients
// have arrived. No counting pass, no recursion.
#include "tenon/autograd/engine.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "tenon/autograd/autograd.h"
#include "tenon/ops/elementwise.h"

namespace tenon {
namespace {

// A record that gradients have arrived at.
struct Waiting {
  Node* node;                // held by its consumer's edge until that is freed, so strong here
  std::vector<Tensor> more;  // gradients of outputs 1, 2, ... of a record with several
  Tensor gradient;           // of output 0
};

// Record -> its place among the waiting; open addressing, power of two, deletions by shifting back.
class NodeTable {
 public:
  NodeTable() : slots_(64, Slot{nullptr, 0}), mask_(63) {}
  int find(const Node* n) const {
    for (size_t i = hash(n) & mask_;; i = (i + 1) & mask_) {
      if (slots_[i].node == n) return static_cast<int>(slots_[i].place);
      if (!slots_[i].node) return -1;
    }
  }
  void insert(const Node* n, uint32_t place) {
    if (2 * ++count_ > slots_.size()) grow();
    size_t i = hash(n) & mask_;
    while (slots_[i].node) i = (i + 1) & mask_;
    slots_[i] = {n, place};
  }
  void erase(const Node* n) {
    size_t i = hash(n) & mask_;
    while (slots_[i].node != n) i = (i + 1) & mask_;
    --count_;
    for (size_t j = i;;) {
      slots_[i].node = nullptr;
      size_t home;
      do {
        j = (j + 1) & mask_;
        if (!slots_[j].node) return;
        home = hash(slots_[j].node) & mask_;
      } while (i <= j ? (i < home && home <= j) : (i < home || home <= j));
      slots_[i] = slots_[j];
      i = j;
    }
  }

 private:
  struct Slot {
    const Node* node;
    uint32_t place;
  };
  static size_t hash(const Node* n) {
    return (reinterpret_cast<uintptr_t>(n) >> 6) * 0x9E3779B97F4A7C15ull >> 20;
  }
  void grow() {
    std::vector<Slot> old(2 * slots_.size(), Slot{nullptr, 0});
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot& s : old) {
      if (!s.node) continue;
      size_t i = hash(s.node) & mask_;
      while (slots_[i].node) i = (i + 1) & mask_;
      slots_[i] = s;
    }
  }
  std::vector<Slot> slots_;
  size_t mask_, count_ = 0;
};

// Nobody else holds it, so it may be kept or written.
bool exclusive(const Tensor& t) {
  const TensorImpl* i = t.impl();
  return i->references.load(std::memory_order_acquire) == 1 &&
         i->storage->references.load(std::memory_order_acquire) == 1 && i->base == nullptr &&
         !i->storage->read_only && i->storage->kind != Storage::kExternal;
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): as the other ways to accumulate
Tensor keep_graph_sum(Tensor current, const Tensor& gradient) {
  return current.defined() ? add(current, gradient) : gradient;
}

// A walk's working memory, kept by the thread from one walk to the next (a walk inside a walk makes
// its own).
struct Memory {
  NodeTable table;
  std::vector<Waiting> waiting;
  std::vector<uint32_t> free_places;
  std::vector<std::pair<uint64_t, uint32_t>> heap;
  std::vector<Tensor> gradients, results;  // of one record; undefined between visits
};
thread_local std::unique_ptr<Memory> spare_memory;
std::unique_ptr<Memory> take_memory() {
  return spare_memory ? std::move(spare_memory) : std::make_unique<Memory>();
}

class Walk {
 public:
  Walk(bool keep_graph, bool create_graph, std::span<WalkTarget> targets)
      : keep_graph_(keep_graph),
        create_graph_(create_graph),
        targets_(targets),
        memory_(take_memory()) {}
  ~Walk() {
    if (finished_) {
      spare_memory = std::move(memory_);
      return;
    }
    for (Waiting& w : waiting_) {
      if (w.node) release(w.node);
    }
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  void arrive(Node* node, uint32_t output, Tensor gradient) {
    int place = table_.find(node);
    if (place < 0) {
      if (free_places_.empty()) {
        place = static_cast<int>(waiting_.size());
        waiting_.emplace_back();
      } else {
        place = static_cast<int>(free_places_.back());
        free_places_.pop_back();
      }
      Waiting& w = waiting_[static_cast<size_t>(place)];
      retain(node);
      w.node = node;
      table_.insert(node, static_cast<uint32_t>(place));
      heap_.push_back({node->sequence, static_cast<uint32_t>(place)});
      std::push_heap(heap_.begin(), heap_.end());
    }
    Waiting& w = waiting_[static_cast<size_t>(place)];
    if (output > 0 && w.more.size() < output) w.more.resize(output);
    Tensor& sum = output == 0 ? w.gradient : w.more[output - 1];
    if (!sum.defined()) {
      sum = std::move(gradient);
    } else if (!create_graph_ && exclusive(sum)) {
      add_(sum, gradient);
    } else {
      sum = add(sum, gradient);
    }
  }

  void run() {
    std::vector<Tensor>&gradients = memory_->gradients, &results = memory_->results;
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const uint32_t place = heap_.back().second;
      heap_.pop_back();
      Waiting& w = waiting_[place];
      Node* node = std::exchange(w.node, nullptr);
      if (gradients.size() <= node->n_outputs) gradients.resize(node->n_outputs + size_t{1});
      if (results.size() < node->n_inputs) results.resize(node->n_inputs);
      gradients[0] = std::move(w.gradient);
      if (!w.more.empty()) {
        for (size_t i = 0; i < w.more.size(); ++i) gradients[i + 1] = std::move(w.more[i]);
        w.more.clear();
      }
      table_.erase(node);
      free_places_.push_back(place);
      const absl::Cleanup held = [node] { release(node); };
      visit(*node, gradients, results);
    }
    finished_ = true;
  }

 private:
  // Leaves gradients and results undefined.
  void visit(Node& node, std::vector<Tensor>& gradients, std::vector<Tensor>& results) {
    const int n_outputs = std::max<int>(node.n_outputs, 1);
    for (int i = 0; i < n_outputs; ++i) {
      Tensor& g = gradients[static_cast<size_t>(i)];
      if (g.defined()) g = run_hooks(node, static_cast<uint32_t>(i), std::move(g));
    }
    for (WalkTarget& t : targets_) {
      if (t.node == &node && static_cast<int>(t.output_index) < n_outputs)
        t.gradient = gradients[t.output_index];
    }
    if (node.leaf) {
      if (targets_.empty()) accumulate(node, gradients[0]);
      gradients[0] = Tensor();
      return;
    }
    if (node.freed) {
      fail(ErrorCode::kAutograd, node.op->name,
           "Trying to backward through the graph a second time: the values that were saved for it "
           "are freed. Pass retain_graph = "
           "true to the first backward() if you need it again");
    }
    node.op->vjp({node, gradients.data(), results.data()});
    for (int i = 0; i < n_outputs; ++i) gradients[static_cast<size_t>(i)] = Tensor();
    for (int i = 0; i < node.n_inputs; ++i) {
      const Edge& e = node.edges[i];
      Tensor result = std::move(results[static_cast<size_t>(i)]);
      if (e.node && result.defined()) arrive(e.node, e.output_index, std::move(result));
    }
    if (!keep_graph_) {
      free_saved(node);
      node.freed = true;
    }
  }

  void accumulate(Node& leaf, Tensor& gradient) {
    if (create_graph_) {
      update_leaf_grad(leaf, gradient, &keep_graph_sum);
      return;
    }
    // The leaf keeps the tensor itself if nobody else has it; its layout is then the gradient's
    // own.
    if (!exclusive(gradient)) {
      update_leaf_grad(leaf, gradient, [](Tensor current, const Tensor& g) {
        return current.defined() ? sum_into(std::move(current), g) : g.clone();
      });
      return;
    }
    update_leaf_grad(leaf, gradient, [](Tensor current, const Tensor& g) {
      return current.defined() ? sum_into(std::move(current), g) : g;
    });
  }

  // In place, as others may hold the leaf's gradient and expect to see it grow.
  static Tensor sum_into(Tensor current, const Tensor& g) {
    const bool writable =
        !current.requires_grad() && !current.read_only() &&
        (current.is_contiguous() || !may_self_overlap(current.shape(), current.strides()));
    if (!writable) return add(current, g);
    add_(current, g);
    return current;
  }

  const bool keep_graph_, create_graph_;
  const std::span<WalkTarget> targets_;
  std::unique_ptr<Memory> memory_;
  bool finished_ = false;  // everything that waited was visited, so the memory is clean
  NodeTable& table_ = memory_->table;
  std::vector<Waiting>& waiting_ = memory_->waiting;
  std::vector<uint32_t>& free_places_ = memory_->free_places;
  std::vector<std::pair<uint64_t, uint32_t>>& heap_ = memory_->heap;
};

}  // namespace

void walk_graph(std::span<const Tensor> roots, std::span<const Tensor> gradients, bool keep_graph,
                bool create_graph, std::span<WalkTarget> targets) {
  const char* name = targets.empty() ? "backward" : "grad";
  if (!gradients.empty() && gradients.size() != roots.size()) {
    fail(ErrorCode::kInvalidArgument, name, "got ", static_cast<int64_t>(roots.size()),
         " outputs and ", static_cast<int64_t>(gradients.size()), " gradients for them");
  }
  Walk walk(keep_graph || create_graph, create_graph, targets);
  for (size_t i = 0; i < roots.size(); ++i) {
    const Tensor& root = roots[i];
    if (!root.defined())
      fail(ErrorCode::kInvalidArgument, name, "output ", static_cast<int64_t>(i),
           " is an undefined tensor");
    Node* node = node_of(root);
    if (!node) {
      fail(ErrorCode::kAutograd, name, "element ", static_cast<int64_t>(i),
           " of tensors does not require grad and does not have a grad_fn: ", describe(root),
           ". Call requires_grad_() on what it is computed from");
    }
    Tensor g = gradients.empty() ? Tensor() : gradients[i];
    if (!g.defined()) {
      if (root.size() != 1) {
        fail(ErrorCode::kAutograd, name,
             "grad can be implicitly created only for scalar outputs, not for ", describe(root),
             ". Pass a gradient, or reduce it with sum() first");
      }
      NoGradScope constant;
      g = ones(root.shape(), root.dtype(), root.device());
    } else if (!std::equal(g.shape().begin(), g.shape().end(), root.shape().begin(),
                           root.shape().end()) ||
               g.dtype() != root.dtype() || !(g.device() == root.device())) {
      fail(ErrorCode::kShape, name, "Mismatch in shape: the gradient is ", describe(g),
           ", the output ", describe(root), "; they must agree");
    }
    walk.arrive(node, root.impl()->output_index, std::move(g));
  }
  if (create_graph) {
    EnableGradScope record;
    walk.run();
  } else {
    NoGradScope no_record;
    walk.run();
  }
}

void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients, bool retain_graph,
              bool create_graph) {
  walk_graph(outputs, gradients, retain_graph, create_graph, {});
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  walk_graph(std::span<const Tensor>(this, 1),
             gradient.defined() ? std::span<const Tensor>(&gradient, 1) : std::span<const Tensor>(),
             retain_graph, create_graph, {});
}

std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> gradients, GradOptions options) {
  if (inputs.empty()) fail(ErrorCode::kInvalidArgument, "grad", "no inputs were given");
  std::vector<WalkTarget> targets;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Node* node = inputs[i].defined() ? node_of(inputs[i]) : nullptr;
    if (!node) {
      fail(ErrorCode::kAutograd, "grad",
           "One of the differentiated Tensors does not require grad: input ",
           static_cast<int64_t>(i), ", ", describe(inputs[i]),
           ". Call requires_grad_() on it before it is used");
    }
    targets.push_back({node, inputs[i].impl()->output_index, Tensor()});
  }
  walk_graph(outputs, gradients, options.retain_graph, options.create_graph, targets);
  std::vector<Tensor> result;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (!targets[i].gradient.defined() && !options.allow_unused) {
      fail(ErrorCode::kAutograd, "grad",
           "One of the differentiated Tensors appears to not have been used in the graph: input ",
           static_cast<int64_t>(i), ", ", describe(inputs[i]),
           ". Set allow_unused = true if this is the desired behavior");
    }
    result.push_back(std::move(targets[i].gradient));
  }
  return result;
}

}  // namespace tenon
