#include "tenon/ops/map_op.h"

#include <algorithm>
#include <cstring>

#include "tenon/ops/map_record.h"

namespace tenon {

// What a call's operands say, before anything runs.
struct MapOp::Call {
  const Tensor* tensors[kMaxOperands];  // the tensor operands, in order
  int n_tensors = 0;
  uint32_t key = 0;     // 4 bits per operand
  DType common;         // of the operands after promotion
  bool raised = false;  // a number raised the dtype above the tensors'
  bool simple = true;   // one shape, all contiguous
  uint8_t codes[kMaxOperands];
  uint64_t scalars[kMaxOperands + 4];
};

namespace {

[[gnu::cold]] std::string operands_text(const Operand* operands, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    if (i) out += i + 1 == n ? " and " : ", ";
    out += operands[i].is_tensor() ? describe(operands[i].tensor()) : "a number";
  }
  return out;
}

bool same_shape(const TensorImpl* a, const TensorImpl* b) {
  return equal_shapes(a->shape_view(), b->shape_view());
}

}  // namespace

DType MapOp::common_dtype(const char* name, const Operand* operands) const {
  for (int i = 0; i < n_operands_; ++i) {
    if (operands[i].is_tensor() && is_float8(operands[i].tensor().dtype())) {
      fail(ErrorCode::kDType, name, "is not defined for ", operands_text(operands, n_operands_),
           ": ", kFloat8Advice);
    }
  }
  DType d = DType::none;
  const int first = class_ == DTypeClass::condition ? 1 : 0;
  for (int i = first; i < n_operands_; ++i) {
    if (!operands[i].is_tensor()) continue;
    const DType own = operands[i].tensor().dtype();
    const DType promoted = d == DType::none ? own : promote(d, own);
    if (promoted == DType::none) {
      fail(ErrorCode::kDType, name, dtype_name(d), " and ", dtype_name(own),
           " have no common dtype; ", promotion_advice(d, own));
    }
    d = promoted;
  }
  for (int i = first; i < n_operands_; ++i) {
    if (operands[i].is_tensor()) continue;
    d = d == DType::none ? operands[i].scalar().default_dtype()
                         : operands[i].scalar().dtype_beside(d);
  }
  const DTypeKind kind = dtype_info(d).kind;
  const bool is_int = kind == DTypeKind::Int || kind == DTypeKind::UInt;
  const auto refuse = [&](const char* why) {
    fail(ErrorCode::kDType, name, "is not defined for ", operands_text(operands, n_operands_), ": ",
         why);
  };
  if (kind == DTypeKind::Complex)
    refuse("complex tensors have no such function; use real(), imag() or abs()");
  switch (class_) {
    case DTypeClass::real:
      if (kind == DTypeKind::Bool)
        refuse("it needs numbers; use logical_ functions, or astype() to a number type");
      break;
    case DTypeClass::floating:
    case DTypeClass::predicate:
      if (kind != DTypeKind::Float) return kDefaultFloat;
      break;
    case DTypeClass::bits:
      if (!is_int && kind != DTypeKind::Bool) refuse("it needs integers or bools; use astype()");
      break;
    case DTypeClass::integer:
      if (!is_int) refuse("it needs integers; use astype()");
      break;
    case DTypeClass::any:
    case DTypeClass::logic:
    case DTypeClass::compare:
    case DTypeClass::condition:
      break;
  }
  return d;
}

void MapOp::resolve(const char* name, const Operand* operands, Call& call) {
  const TensorImpl* first = nullptr;
  bool plain = true;  // every dtype the first tensor's, and no number of a higher kind
  for (int i = 0; i < n_operands_; ++i) {
    if (!operands[i].is_tensor()) {
      call.codes[i] = 0;
      call.key <<= 4;
      continue;
    }
    const Tensor& x = operands[i].tensor();
    if (__builtin_expect(!x.defined(), 0))
      fail(ErrorCode::kInvalidArgument, name, "argument ", i, " is an undefined tensor");
    const TensorImpl* t = x.impl();
    call.codes[i] = static_cast<uint8_t>(t->dtype);
    call.key = call.key << 4 | call.codes[i];
    call.tensors[call.n_tensors++] = &x;
    if (!first) {
      first = t;
      call.simple = t->contiguous;
      continue;
    }
    if (__builtin_expect(t->storage->device != first->storage->device, 0)) {
      fail(ErrorCode::kDevice, name, "Expected all tensors to be on the same device, but found ",
           operands_text(operands, n_operands_), ". Move one with to()");
    }
    call.simple = call.simple && t->contiguous && same_shape(t, first);
    plain = plain && t->dtype == first->dtype;
  }
  if (__builtin_expect(!first, 0)) {
    fail(ErrorCode::kInvalidArgument, name, "needs at least one tensor; make one with full()");
  }
  // The usual case needs no look at the promotion rules again: one floating dtype, numbers that fit
  // it.
  if (plain && is_floating(first->dtype) && class_ != DTypeClass::bits &&
      class_ != DTypeClass::integer && class_ != DTypeClass::condition) {
    call.common = first->dtype;
  } else {
    call.common = common_dtype(name, operands);
    // With numbers only the table's key (which knows no kinds of numbers) would be ambiguous.
    DType tensors = DType::none;
    for (int i = class_ == DTypeClass::condition ? 1 : 0; i < n_operands_; ++i) {
      if (!operands[i].is_tensor()) continue;
      const DType own = operands[i].tensor().dtype();
      tensors = tensors == DType::none ? own : promote(tensors, own);
    }
    for (int i = 0; i < n_operands_; ++i) {
      if (operands[i].is_tensor()) continue;
      call.raised |=
          tensors == DType::none || operands[i].scalar().dtype_beside(tensors) != tensors;
    }
  }
  if (call.n_tensors != n_operands_) {
    const DType d = class_ == DTypeClass::logic ? DType::bool_ : compute_dtype(call.common);
    int slot = 0;
    for (int i = 0; i < n_operands_; ++i) {
      if (operands[i].is_tensor()) continue;
      const Scalar& number = operands[i].scalar();
      if (__builtin_expect(is_integral(d) && !number.fits(d), 0)) {
        fail(ErrorCode::kDType, name, "integer ", number.to_int64(), " out of bounds for ",
             dtype_name(d), ", the dtype it takes beside ", operands_text(operands, n_operands_),
             "; convert the tensor with astype() first");
      }
      call.scalars[slot++] = number.bits_as(d);
    }
  }
}

MapVariant* MapOp::make_variant(const Call& call, const DType* output_dtypes) const {
  map::Builder b;
  const DType compute = class_ == DTypeClass::logic ? DType::bool_ : compute_dtype(call.common);
  map::Value in[kMaxOperands], out[kMaxOperands];
  for (int i = 0; i < n_operands_; ++i) {
    if (call.codes[i] == 0) {
      in[i] = b.scalar(compute);
    } else {
      // Through the common dtype: an integer that it cannot hold is rounded as the promotion rules
      // say.
      const map::Value x = b.input(static_cast<DType>(call.codes[i]));
      const bool is_bool =
          class_ == DTypeClass::logic || (class_ == DTypeClass::condition && i == 0);
      in[i] = is_bool ? cast(x, DType::bool_) : cast(cast(x, call.common), compute);
    }
  }
  record_(in, out, b, context_);
  for (int j = 0; j < n_outputs_; ++j) {
    DType wanted = out[j].dtype();
    if (wanted != DType::bool_ && wanted == compute)
      wanted = call.common;  // back from the compute dtype
    if (output_dtypes) wanted = output_dtypes[j];
    out[j] = cast(out[j], wanted);
  }
  return new MapVariant(name_,
                        b.finish(std::span<const map::Value>(out, static_cast<size_t>(n_outputs_))),
                        index_axes_);
}

MapVariant& MapOp::variant_for(Call& call, const DType* output_dtypes) {
  if (n_operands_ <= 3 && !call.raised && !output_dtypes) {
    std::atomic<MapVariant*>* table = table_.load(std::memory_order_acquire);
    if (__builtin_expect(!table, 0)) {
      auto* fresh = new std::atomic<MapVariant*>[size_t{1} << (4 * n_operands_)] {};
      if (table_.compare_exchange_strong(table, fresh, std::memory_order_acq_rel)) {
        table = fresh;
      } else {
        delete[] fresh;
      }
    }
    std::atomic<MapVariant*>& place = table[call.key];
    MapVariant* found = place.load(std::memory_order_acquire);
    if (__builtin_expect(found != nullptr, 1)) return *found;
    MapVariant* made = make_variant(call, nullptr);
    if (place.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return *made;
    delete made;
    return *found;
  }
  // Optimizers come this way at every step: a short list that is read without a lock.
  Other wanted{};
  std::memcpy(wanted.key, call.codes, static_cast<size_t>(n_operands_));
  wanted.key[n_operands_] = static_cast<uint8_t>(call.common);
  for (int j = 0; output_dtypes && j < n_outputs_; ++j)
    wanted.key[n_operands_ + 1 + j] = static_cast<uint8_t>(output_dtypes[j]);
  const int used = n_operands_ + 1 + n_outputs_;
  const auto find = [&](const Other* o) -> MapVariant* {
    for (; o; o = o->next) {
      if (std::memcmp(o->key, wanted.key, static_cast<size_t>(used)) == 0) return o->variant;
    }
    return nullptr;
  };
  if (MapVariant* found = find(others_.load(std::memory_order_acquire))) return *found;
  std::lock_guard<std::mutex> lock(mutex_);
  Other* head = others_.load(std::memory_order_relaxed);
  if (MapVariant* found = find(head)) return *found;
  wanted.variant = make_variant(call, output_dtypes);
  wanted.next = head;
  auto* made = new Other(wanted);
  others_.store(made, std::memory_order_release);
  return *made->variant;
}

void MapOp::call(const Operand* operands, Tensor* outputs, std::span<const uint64_t> extra) {
  Call c;
  resolve(name_, operands, c);
  std::copy(extra.begin(), extra.end(), c.scalars + (n_operands_ - c.n_tensors));
  MapVariant& variant = variant_for(c, nullptr);
  if (__builtin_expect(c.simple && index_axes_ == ~0ull, 1)) {
    apply_simple(variant, c.tensors, c.n_tensors, c.scalars, outputs);
    return;
  }
  Dims target(c.tensors[0]->shape());
  for (int i = 1; i < c.n_tensors; ++i) broadcast_with(name_, &target, c.tensors[i]->shape());
  apply_variant(variant, c.tensors, c.scalars, target, outputs);
}

void MapOp::call_sum(const Operand* operands, DimsView out_shape, Tensor* outputs) {
  Call c;
  resolve(name_, operands, c);
  Dims target(out_shape);
  for (int i = 0; i < c.n_tensors; ++i) broadcast_with(name_, &target, c.tensors[i]->shape());
  apply_variant_sum(variant_for(c, nullptr), c.tensors, c.scalars, target, out_shape, outputs);
}

namespace {

// An operand that overlaps the target without being just it must be read before anything is
// written.
bool needs_copy(const TensorImpl* target, const TensorImpl* operand, DimsView operand_strides) {
  return target->storage == operand->storage &&
         (target->offset != operand->offset || target->dtype != operand->dtype ||
          !equal_shapes(operand_strides, target->strides_view()));
}

// Every operand and target is one run of elements, and each operand that shares a target's storage
// is that target.
bool simple_write(std::span<const Tensor> targets, const Tensor* const* operands, int n) {
  const TensorImpl* shape = operands[0]->impl();
  for (const Tensor& target : targets) {
    const TensorImpl* t = target.impl();
    if (!t->contiguous || !same_shape(t, shape)) return false;
    for (int i = 0; i < n; ++i) {
      const TensorImpl* x = operands[i]->impl();
      if (x->storage == t->storage && (x->offset != t->offset || x->dtype != t->dtype))
        return false;
    }
  }
  return true;
}

// Outputs into targets of one shape, which all operands broadcast to.
void launch_into(MapVariant& variant, const char* name, std::span<const Tensor> targets,
                 const Tensor* const* operands, int n, const uint64_t* scalars) {
  const DimsView shape = targets[0].shape();
  StackList<LaunchOperand> args(static_cast<size_t>(n) + targets.size());
  StackList<Tensor> copies(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) {
    args[i].spread(name, *operands[i], shape);
    for (const Tensor& t : targets) {
      if (!needs_copy(t.impl(), operands[i]->impl(), args[i].strides)) continue;
      copies[i] = contiguous_copy(*operands[i]);
      args[i].spread(name, copies[i], shape);
      break;
    }
  }
  for (size_t j = 0; j < targets.size(); ++j)
    args[static_cast<size_t>(n) + j].spread(name, targets[j], shape);
  launch(variant.map_plans().on(targets[0].impl()->device()),
         {.sizes = shape,
          .flags = TENON_LAUNCH_MAY_ALIAS,
          .indexed = variant.indexed(),
          .index_axes = variant.index_axes()},
         args, std::span<const uint64_t>(scalars, variant.program().scalars.size()));
}

}  // namespace

void MapOp::call_inplace(const char* name, Tensor& x, const Operand* operands) {
  check_writable(name, x);
  Call c;
  resolve(name, operands, c);
  DType out = x.dtype();
  MapVariant* variant = &variant_for(c, nullptr);
  if (variant->output_dtype(0) != out) {
    const DTypeKind from = dtype_info(variant->output_dtype(0)).kind, to = dtype_info(out).kind;
    const bool loses = from == DTypeKind::Float ? to != DTypeKind::Float
                                                : to == DTypeKind::Bool && from != DTypeKind::Bool;
    if (loses) {
      fail(ErrorCode::kDType, name, "result type ", dtype_name(variant->output_dtype(0)),
           " can't be cast to the desired output type ", dtype_name(out), " of ", describe(x),
           "; use ", name_, "() without the underscore");
    }
    variant = &variant_for(c, &out);
  }
  const std::span<const Tensor> targets(&x, 1);
  const bool simple =
      c.simple && index_axes_ == ~0ull && simple_write(targets, c.tensors, c.n_tensors);
  for (int i = 0; !simple && i < c.n_tensors; ++i) {
    Dims shape(x.shape());
    broadcast_with(name, &shape, c.tensors[i]->shape());
    if (!equal_shapes(shape, x.shape())) {
      fail(ErrorCode::kShape, name, "the result of ", operands_text(operands, n_operands_),
           " does not fit into ", describe(x), ", which is written in place");
    }
  }
  // The record is made before the write, so that a failure leaves x as it was.
  RecordGuard record(*variant, c.tensors, c.n_tensors, c.scalars, x.shape(), nullptr);
  record.copy_overwritten(x);
  if (simple) {
    launch_simple(*variant, c.tensors, c.n_tensors, c.scalars, &x, TENON_LAUNCH_MAY_ALIAS);
  } else {
    launch_into(*variant, name, targets, c.tensors, c.n_tensors, c.scalars);
  }
  finish_inplace(name, x, record);
}

void MapOp::call_into(std::span<Tensor> targets, const Operand* operands, LaunchList* list) {
  Call c;
  resolve(name_, operands, c);
  DType dtypes[kMaxOperands];
  const TensorImpl* first = targets[0].impl();
  for (size_t j = 0; j < targets.size(); ++j) {
    check_writable(name_, targets[j]);
    if (detail::grad_mode && targets[j].requires_grad()) {
      fail(ErrorCode::kAutograd, name_, "writes to ", describe(targets[j]),
           ", which requires a gradient, and records none. Write inside a NoGradScope, or to a "
           "detach()ed tensor");
    }
    dtypes[j] = targets[j].dtype();
    if (!same_shape(targets[j].impl(), first)) {
      fail(ErrorCode::kShape, name_, "targets of ", shape_text(targets[j].shape()), " and ",
           shape_text(first->shape_view()), "; all outputs of a fused function have one shape");
    }
    if (targets[j].impl()->storage->device != c.tensors[0]->impl()->storage->device) {
      fail(ErrorCode::kDevice, name_, "writes to ", describe(targets[j]), " from ",
           describe(*c.tensors[0]), "; move one with to()");
    }
  }
  MapVariant& variant = variant_for(c, dtypes);
  if (c.simple && index_axes_ == ~0ull && simple_write(targets, c.tensors, c.n_tensors)) {
    launch_simple(variant, c.tensors, c.n_tensors, c.scalars, targets.data(),
                  TENON_LAUNCH_MAY_ALIAS, list);
  } else {
    launch_into(variant, name_, targets, c.tensors, c.n_tensors, c.scalars);
  }
  for (const Tensor& t : targets) note_write(t, name_);
}

}  // namespace tenon
