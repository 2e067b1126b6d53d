// MapOp: an elementwise operation and its variants. The machinery behind every row and every
// fuse().
//
//   row or function --(operand dtypes)--> MapVariant: a program, its plan per device, its gradients
//   (again variants)
//
// The path of a small call: the operands' dtypes index a table and give the variant; the device
// indexes the variant's plans; the launch is filled on the stack; the output is one block from a
// list. Nothing is hashed, locked or allocated beyond that. A variant's gradient for a set of
// wanted inputs is derived once and kept.
#ifndef TENON_OPS_MAP_OP_H_
#define TENON_OPS_MAP_OP_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "tenon/device/launch_list.h"
#include "tenon/map/builder.h"
#include "tenon/map/derive.h"
#include "tenon/ops/operand.h"
#include "tenon/tensor/launch.h"

namespace tenon {

inline constexpr int kMaxOperands = 24;

class MapVariant;

// The gradient of a variant for a set of wanted inputs. Outputs that are just a gradient passed on,
// or nothing at all, are not computed.
struct MapGradient {
  std::vector<map::SavedValue> saved;
  std::vector<uint32_t> differentiable, needed;  // as in map::Gradient
  bool from_outputs;
  // Per needed input: kComputed + k: output k of `variant`; kZero; else the number of a gradient
  // passed on.
  static constexpr int kZero = -1, kComputed = 1 << 16;
  std::vector<int> source;
  std::string name;
  std::unique_ptr<MapVariant> variant;  // null if nothing is left to compute
};

class MapVariant {
 public:
  MapVariant(const char* name, map::Program program, uint64_t index_axes = ~0ull);
  const map::Program& program() const { return program_; }
  int n_inputs() const { return static_cast<int>(program_.inputs.size()); }
  int n_outputs() const { return static_cast<int>(program_.outputs.size()); }
  DType output_dtype(int i) const { return program_.output_dtype(static_cast<size_t>(i)); }
  bool indexed() const { return indexed_; }
  uint64_t index_axes() const { return index_axes_; }  // the axes that INDEX counts
  bool differentiable() const {
    return differentiable_;
  }  // has a floating input and a floating output
  const OpInfo& info() const { return info_; }

  PlanSlots& map_plans() { return map_plans_; }
  PlanSlots& sum_plans();  // every output summed

  // Gradient for the inputs in `mask`; `whole`: the mask whose saved values are at hand (a superset
  // of mask). `summed`: the outputs were summed, so they are not there to be saved.
  const MapGradient& gradient(uint64_t mask, uint64_t whole, bool summed);

 private:
  const map::Program program_;  // with its side table
  const bool indexed_, differentiable_;
  const uint64_t index_axes_;
  const OpInfo info_;
  PlanSlots map_plans_;
  std::atomic<PlanSlots*> sum_plans_{nullptr};
  std::atomic<const MapGradient*> direct_[8] = {};  // mask == whole < 8, not summed
  std::mutex mutex_;
  std::map<std::tuple<uint64_t, uint64_t, bool>, std::unique_ptr<MapGradient>> gradients_;
};

// As elementwise.def explains; `condition`: operand 0 is a bool, the others any.
enum class DTypeClass : uint8_t {
  any,
  real,
  floating,
  bits,
  integer,
  logic,
  compare,
  predicate,
  condition
};

class MapOp {
 public:
  using Record = void (*)(const map::Value* inputs, map::Value* outputs, map::Builder& builder,
                          const void* context);
  constexpr MapOp(const char* name, int n_operands, int n_outputs, DTypeClass dtype_class,
                  Record record, const void* context = nullptr, uint64_t index_axes = ~0ull)
      : name_(name),
        n_operands_(n_operands),
        n_outputs_(n_outputs),
        class_(dtype_class),
        record_(record),
        context_(context),
        index_axes_(index_axes) {}
  MapOp(const MapOp&) = delete;
  MapOp& operator=(const MapOp&) = delete;

  // New outputs; recorded for backward if wanted. `extra`: values of the slots that the recording
  // made itself, raw bits.
  void call(const Operand* operands, Tensor* outputs, std::span<const uint64_t> extra = {});
  // The outputs summed to out_shape, in one pass.
  void call_sum(const Operand* operands, DimsView out_shape, Tensor* outputs);
  // Output 0 into operand 0, which is `x`. `name`: what errors call this form, "add_".
  void call_inplace(const char* name, Tensor& x, const Operand* operands);
  // Outputs into targets (optimizers); no record. `list`: as for Fused::run_inplace.
  void call_into(std::span<Tensor> targets, const Operand* operands, LaunchList* list = nullptr);

  const char* name() const { return name_; }
  int n_operands() const { return n_operands_; }
  int n_outputs() const { return n_outputs_; }

 private:
  struct Call;  // map_op.cc
  void resolve(const char* name, const Operand* operands, Call& call);
  MapVariant& variant_for(Call& call, const DType* output_dtypes);
  MapVariant* make_variant(const Call& call, const DType* output_dtypes) const;
  DType common_dtype(const char* name, const Operand* operands) const;

  const char* const name_;
  const int n_operands_, n_outputs_;
  const DTypeClass class_;
  const Record record_;
  const void* const context_;
  const uint64_t index_axes_;
  // Variants by operand dtypes, 4 bits each, 0 for a number: up to three operands.
  std::atomic<std::atomic<MapVariant*>*> table_{nullptr};
  // The others: more operands, numbers that raise the dtype, or given output dtypes. Newest first;
  // never freed.
  struct Other {
    uint8_t key[2 * kMaxOperands + 1];
    MapVariant* variant;
    Other* next;
  };
  std::mutex mutex_;  // of who adds one
  std::atomic<Other*> others_{nullptr};
};

// Runs a variant on tensors that broadcast to `target`, and records it. `scalars`: the program's
// slots.
void apply_variant(MapVariant& variant, const Tensor* const* inputs, const uint64_t* scalars,
                   DimsView target, Tensor* outputs);
// The same with every output summed to out_shape, which broadcasts to target.
void apply_variant_sum(MapVariant& variant, const Tensor* const* inputs, const uint64_t* scalars,
                       DimsView target, DimsView out_shape, Tensor* outputs);

}  // namespace tenon

#endif  // TENON_OPS_MAP_OP_H_
