#include "tenon/ops/map_record.h"

#include <algorithm>
#include <cstring>

#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"

namespace tenon {
namespace {

void map_vjp(const VjpCall& call);
void destroy_map_record(void* payload);

// Payload of a record; the scalars follow, then the shapes.
struct MapRecord {
  MapVariant* variant;
  // Where shapes differ: the common shape, the outputs' (of a sum), then every input's; else null.
  Dims* shapes;
  size_t n_shapes;
  uint64_t mask;  // inputs whose gradient is wanted
  bool summed;
  uint64_t* scalars() { return reinterpret_cast<uint64_t*>(this + 1); }
  static size_t bytes(size_t n_scalars, size_t n_shapes) {
    return sizeof(MapRecord) + sizeof(uint64_t) * n_scalars + sizeof(Dims) * n_shapes;
  }
};

void destroy_map_record(void* payload) {
  auto& record = *static_cast<MapRecord*>(payload);
  for (size_t i = 0; record.shapes && i < record.n_shapes; ++i) record.shapes[i].~Dims();
}

bool reads_index(const map::Program& p) { return p.uses(TENON_OP_INDEX); }

bool has_gradient(const map::Program& p) {
  bool in = false, out = false;
  for (DType d : p.inputs) in |= is_floating(d);
  for (size_t j = 0; j < p.outputs.size(); ++j) out |= is_floating(p.output_dtype(j));
  return in && out;
}

map::Kernel map_kernel(const char* name, const map::Program& program) {
  map::Kernel k;
  k.name = name;
  k.program = map::without_slopes(program);
  return k;
}

// Axes of `target` along which `shape` (which broadcasts to it) repeats.
uint64_t repeated_axes(DimsView shape, DimsView target) {
  uint64_t mask = 0;
  const size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < target.size(); ++i) {
    if (i < lead || (shape[i - lead] == 1 && target[i] != 1)) mask |= uint64_t{1} << i;
  }
  return mask;
}

}  // namespace

MapVariant::MapVariant(const char* name, map::Program program, uint64_t index_axes)
    : program_(std::move(program)),
      indexed_(reads_index(program_)),
      differentiable_(has_gradient(program_)),
      index_axes_(index_axes),
      info_{name, &map_vjp, &destroy_map_record},
      map_plans_(map_kernel(name, program_)) {}

PlanSlots& MapVariant::sum_plans() {
  PlanSlots* found = sum_plans_.load(std::memory_order_acquire);
  if (found) return *found;
  map::Kernel k;
  k.name = info_.name;
  map::Program p = map::without_slopes(program_);
  map::Builder epilogue;
  std::vector<map::Value> outputs;
  for (size_t j = 0; j < p.outputs.size(); ++j) {
    const DType d = p.output_dtype(j), acc = compute_dtype(d);
    TenonReducer r{};
    r.kind = TENON_SUM;
    r.acc_dtype = static_cast<uint16_t>(acc);
    r.value = static_cast<uint16_t>(p.outputs[j]);
    k.reducers.push_back(r);
    outputs.push_back(cast(epilogue.input(acc), d));
  }
  p.outputs.clear();
  k.program = std::move(p);
  k.epilogue = epilogue.finish(outputs);
  auto* made = new PlanSlots(std::move(k));
  if (sum_plans_.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return *made;
  delete made;
  return *found;
}

const MapGradient& MapVariant::gradient(uint64_t mask, uint64_t whole, bool summed) {
  const bool direct = mask == whole && mask < 8 && !summed;
  if (direct) {
    if (const MapGradient* g = direct_[mask].load(std::memory_order_acquire)) return *g;
  }
  bool outputs_at_hand = !summed;
  if (outputs_at_hand && mask != whole)
    outputs_at_hand = gradient(whole, whole, false).from_outputs;
  std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<MapGradient>& place = gradients_[{mask, whole, summed}];
  if (!place) {
    map::Gradient d = map::derive(program_, mask, outputs_at_hand);
    auto g = std::make_unique<MapGradient>();
    g->differentiable = d.differentiable;
    g->needed = d.needed;
    g->from_outputs = true;
    for (const map::SavedValue& s : d.saved) g->from_outputs &= s.output;
    // Leave out what needs no computing.
    std::vector<uint32_t> computed;
    for (uint32_t out : d.program.outputs) {
      const TenonInstr& i = d.program.code[out];
      if (i.op == TENON_OP_INPUT && i.imm >= d.saved.size()) {
        g->source.push_back(static_cast<int>(i.imm - d.saved.size()));
      } else if (i.op == TENON_OP_CONST && i.imm == 0) {
        g->source.push_back(MapGradient::kZero);
      } else {
        g->source.push_back(MapGradient::kComputed + static_cast<int>(computed.size()));
        computed.push_back(out);
      }
    }
    g->saved = std::move(d.saved);
    if (!computed.empty()) {
      d.program.outputs = computed;
      g->name = concat_text(info_.name, "_backward");
      g->variant = std::make_unique<MapVariant>(g->name.c_str(), std::move(d.program), index_axes_);
    }
    place = std::move(g);
  }
  if (direct) direct_[mask].store(place.get(), std::memory_order_release);
  return *place;
}

void RecordGuard::make(const Tensor* const* inputs, int n_inputs, const uint64_t* scalars,
                       DimsView target, const DimsView* out_shape) {
  uint64_t mask = 0;
  bool uniform = out_shape == nullptr;
  for (int i = 0; i < n_inputs; ++i) {
    const Tensor& x = *inputs[i];
    if (wants_grad(x) && is_floating(x.dtype()) && node_of(x)) mask |= uint64_t{1} << i;
    uniform = uniform && equal_shapes(x.shape(), target);
  }
  if (mask == 0) return;
  const size_t n_scalars = variant_.program().scalars.size();
  const size_t n_shapes = uniform ? 0 : static_cast<size_t>(n_inputs) + 2;
  gradient_ = &variant_.gradient(mask, mask, out_shape != nullptr);
  node_ = new_node(variant_.info(), n_inputs, static_cast<int>(gradient_->saved.size()),
                   MapRecord::bytes(n_scalars, n_shapes), variant_.n_outputs());
  auto* record =
      new (node_->payload) MapRecord{&variant_, nullptr, n_shapes, mask, out_shape != nullptr};
  for (size_t i = 0; i < n_scalars; ++i) record->scalars()[i] = scalars[i];
  for (int i = 0; i < n_inputs; ++i) {
    if (mask >> i & 1) set_edge(*node_, i, *inputs[i]);
  }
  for (size_t s = 0; s < gradient_->saved.size(); ++s) {
    const map::SavedValue& v = gradient_->saved[s];
    if (!v.output) save_input(*node_, static_cast<int>(s), *inputs[v.index]);
  }
  if (uniform) return;
  record->shapes = reinterpret_cast<Dims*>(record->scalars() + n_scalars);
  new (record->shapes) Dims(target);
  new (record->shapes + 1) Dims(out_shape ? *out_shape : target);
  for (int i = 0; i < n_inputs; ++i) new (record->shapes + i + 2) Dims(inputs[i]->shape());
}

void RecordGuard::copy_overwritten(const Tensor& x) {
  if (!node_) return;
  for (int i = 0; i < node_->n_saved; ++i) {
    SavedTensor& s = node_->saved[i];
    if (s.impl != x.impl()) continue;
    // Its record stays, so that the copy can be differentiated in x's place.
    Tensor copy = contiguous_copy(x);
    s.version = copy.version();
    release(s.impl);
    s.impl = copy.release();
  }
}

void RecordGuard::save_outputs(const Tensor* outputs) {
  for (size_t s = 0; s < gradient_->saved.size(); ++s) {
    const map::SavedValue& v = gradient_->saved[s];
    if (v.output) save_output(*node_, static_cast<int>(s), outputs[v.index]);
  }
}

void RecordGuard::attach_node(const Tensor* outputs) {
  save_outputs(outputs);
  for (int j = 0; j < variant_.n_outputs(); ++j) {
    if (is_floating(variant_.output_dtype(j)))
      set_node(outputs[j], *node_, static_cast<uint32_t>(j));
  }
}

// Counts the write and gives x its new history.
void finish_inplace(const char* name, const Tensor& x, RecordGuard& record) {
  note_write(x, name);
  if (record.node()) {
    record.save_outputs(&x);
    rebase_history(x, record.node(), 0);
  } else if (detail::grad_mode && x.requires_grad()) {
    rebase_history(x, nullptr, 0);
  }
}

void launch_simple(MapVariant& variant, const Tensor* const* inputs, int n_inputs,
                   const uint64_t* scalars, const Tensor* outputs, uint32_t flags,
                   LaunchList* list) {
  const TensorImpl* first = outputs[0].impl();
  if (__builtin_expect(first->size == 0, 0)) return;
  DeviceState& device = first->device();
  StreamState& stream = current_stream(device);
  TenonOperand operands[2 * kMaxOperands];
  const auto fill = [&](TenonOperand& o, const TensorImpl* t) {
    use_on_stream(*t->storage, stream);
    o.buffer = t->storage->memory.buffer;
    o.offset = t->byte_offset();
    o.dtype = static_cast<uint32_t>(t->dtype);
    o.flags = 0;
    o.strides[0] = 1;
  };
  const int n_outputs = variant.n_outputs();
  for (int i = 0; i < n_inputs; ++i) fill(operands[i], inputs[i]->impl());
  for (int j = 0; j < n_outputs; ++j) fill(operands[n_inputs + j], outputs[j].impl());
  TenonLaunch l;
  l.size = sizeof l;
  l.flags = flags;
  l.rank = 1;
  l.reduce_axes = 0;
  l.n_operands = static_cast<uint32_t>(n_inputs + n_outputs);
  l.n_scalars = static_cast<uint32_t>(variant.program().scalars.size());
  l.operands = operands;
  l.scalars = scalars;
  l.sizes[0] = first->size;
  l.index_base = 0;
  l.index_strides[0] = 1;
  const Plan& plan = variant.map_plans().on(device);
  if (__builtin_expect(list != nullptr, 0)) {
    list->add(plan, stream, l);
  } else {
    run(plan, stream, l);
  }
}

void apply_simple(MapVariant& variant, const Tensor* const* inputs, int n_inputs,
                  const uint64_t* scalars, Tensor* outputs) {
  const TensorImpl* first = inputs[0]->impl();
  DeviceState& device = first->device();
  const DimsView shape = first->shape_view();
  const int n_outputs = variant.n_outputs();
  for (int j = 0; j < n_outputs; ++j)
    outputs[j] = new_tensor(device, variant.output_dtype(j), shape);
  launch_simple(variant, inputs, n_inputs, scalars, outputs, 0);
  RecordGuard(variant, inputs, n_inputs, scalars, shape, nullptr).attach(outputs);
}

void apply_variant(MapVariant& variant, const Tensor* const* inputs, const uint64_t* scalars,
                   DimsView target, Tensor* outputs) {
  const int n = variant.n_inputs();
  bool simple = n > 0, one_layout = n > 0;
  for (int i = 0; i < n; ++i) {
    const TensorImpl* t = inputs[i]->impl();
    const bool fits = equal_shapes(t->shape_view(), target);
    simple = simple && t->contiguous && fits;
    one_layout = one_layout && fits && equal_shapes(t->strides_view(), inputs[0]->strides());
  }
  if (simple && (!variant.indexed() || variant.index_axes() == ~0ull))
    return apply_simple(variant, inputs, n, scalars, outputs);

  DeviceState& device = inputs[0]->impl()->device();
  const std::string_view name = variant.info().name;
  one_layout = one_layout && is_dense(target, inputs[0]->strides());
  StackList<LaunchOperand> args(static_cast<size_t>(n + variant.n_outputs()));
  for (int i = 0; i < n; ++i) {
    args[i].spread(name, *inputs[i], target);
  }
  for (int j = 0; j < variant.n_outputs(); ++j) {
    outputs[j] = one_layout ? new_tensor_strided(device, variant.output_dtype(j), target,
                                                 inputs[0]->strides())
                            : new_tensor(device, variant.output_dtype(j), target);
    args[n + j].spread(name, outputs[j], target);
  }
  launch(variant.map_plans().on(device),
         {.sizes = target, .indexed = variant.indexed(), .index_axes = variant.index_axes()}, args,
         std::span<const uint64_t>(scalars, variant.program().scalars.size()));
  RecordGuard(variant, inputs, n, scalars, target, nullptr).attach(outputs);
}

void apply_variant_sum(MapVariant& variant, const Tensor* const* inputs, const uint64_t* scalars,
                       DimsView target, DimsView out_shape, Tensor* outputs) {
  const int n = variant.n_inputs();
  const std::string_view name = variant.info().name;
  DeviceState& device = inputs[0]->impl()->device();
  StackList<LaunchOperand> args(static_cast<size_t>(n + variant.n_outputs()));
  for (int i = 0; i < n; ++i) {
    args[i].spread(name, *inputs[i], target);
  }
  for (int j = 0; j < variant.n_outputs(); ++j) {
    outputs[j] = new_tensor(device, variant.output_dtype(j), out_shape);
    args[n + j].spread(name, outputs[j], target);
  }
  if (element_count("sum", target) == 0) {
    for (int j = 0; j < variant.n_outputs(); ++j) raw_fill(outputs[j], 0);
  } else {
    launch(variant.sum_plans().on(device),
           {.sizes = target,
            .reduce_axes = repeated_axes(out_shape, target),
            .indexed = variant.indexed(),
            .index_axes = variant.index_axes()},
           args, std::span<const uint64_t>(scalars, variant.program().scalars.size()));
  }
  RecordGuard(variant, inputs, n, scalars, target, &out_shape).attach(outputs);
}

namespace {

// The gradients of one record: one pass over memory where all wanted inputs have the common shape,
// one per distinct set of repeated axes where they were broadcast.
void map_vjp(const VjpCall& call) {
  auto& record = call.node.payload_as<MapRecord>();
  MapVariant& variant = *record.variant;
  const MapGradient& whole = variant.gradient(record.mask, record.mask, record.summed);

  StackList<Tensor> saved(whole.saved.size());
  for (size_t s = 0; s < whole.saved.size(); ++s) saved[s] = unpack(call.node, static_cast<int>(s));

  // Gradients of the outputs that can have one; a missing one is zero.
  const size_t n_gradients = whole.differentiable.size();
  const Tensor* gradients[kMaxOperands];
  StackList<Tensor, kMaxOperands> made(n_gradients);
  const Tensor* any = nullptr;
  for (uint32_t j : whole.differentiable) {
    if (call.gradients[j].defined()) any = &call.gradients[j];
  }
  if (!any) return;
  const DimsView target = record.shapes ? DimsView(record.shapes[0]) : any->shape();
  for (size_t k = 0; k < n_gradients; ++k) {
    const uint32_t j = whole.differentiable[k];
    gradients[k] = &call.gradients[j];
    if (!gradients[k]->defined()) {
      made[k] = zeros(any->shape(), variant.output_dtype(static_cast<int>(j)), any->device());
      gradients[k] = &made[k];
    }
    if (record.summed && !equal_shapes(gradients[k]->shape(), record.shapes[1])) {
      made[k] = reshape(*gradients[k], record.shapes[1]);
      gradients[k] = &made[k];
    }
  }

  uint64_t left = record.mask;
  while (left) {
    // The wanted inputs that repeat along the same axes as the first one left.
    uint64_t group = left, axes = 0;
    int leader = -1;
    if (record.shapes) {
      group = 0;
      for (int i = 0; i < variant.n_inputs(); ++i) {
        if (!(left >> i & 1)) continue;
        const uint64_t own = repeated_axes(record.shapes[i + 2], target);
        if (leader < 0) {
          leader = i;
          axes = own;
        }
        // Sums go into one shape per launch; equal axes with leading ones cut off differ in it.
        const bool alike = own == axes && (axes == 0 || equal_shapes(record.shapes[i + 2],
                                                                     record.shapes[leader + 2]));
        if (alike) group |= uint64_t{1} << i;
      }
    }
    left &= ~group;
    const MapGradient& g =
        group == record.mask ? whole : variant.gradient(group, record.mask, record.summed);

    StackList<Tensor> results(g.variant ? static_cast<size_t>(g.variant->n_outputs()) : 0);
    if (g.variant) {
      const Tensor* inputs[2 * kMaxOperands];
      int n = 0;
      for (const map::SavedValue& v : g.saved) {
        size_t s = &g == &whole ? static_cast<size_t>(n) : 0;
        while (!(whole.saved[s] == v)) ++s;
        inputs[n++] = &saved[s];
      }
      for (size_t k = 0; k < g.differentiable.size(); ++k) inputs[n++] = gradients[k];
      if (axes) {
        apply_variant_sum(*g.variant, inputs, record.scalars(), target, record.shapes[leader + 2],
                          results.data());
      } else {
        apply_variant(*g.variant, inputs, record.scalars(), target, results.data());
      }
    }
    for (size_t k = 0; k < g.needed.size(); ++k) {
      Tensor& out = call.results[g.needed[k]];
      const int source = g.source[k];
      if (source >= MapGradient::kComputed) {
        out = std::move(results[source - MapGradient::kComputed]);
      } else if (source == MapGradient::kZero) {
        const uint32_t input = g.needed[k];
        out = zeros(record.shapes ? DimsView(record.shapes[input + 2]) : target,
                    variant.program().inputs[input], any->device());
      } else {
        out = *gradients[source];
        if (record.shapes) {
          if (!equal_shapes(out.shape(), target)) out = broadcast_to(out, target);
          if (axes) out = sum_to(out, record.shapes[leader + 2]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tenon
