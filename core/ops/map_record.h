// Running a variant and recording it; what map_op.cc and the backward of a record share.
#ifndef TENON_OPS_MAP_RECORD_H_
#define TENON_OPS_MAP_RECORD_H_

#include <cstddef>
#include <new>
#include <span>

#include "tenon/base/error.h"
#include "tenon/ops/map_op.h"

namespace tenon {

// `count` values on the stack, of at most kMost: only what is used is constructed, which for small
// calls is the most of it.
template <class T, size_t kMost = 2 * kMaxOperands>
class StackList {
 public:
  explicit StackList(size_t count) : count_(count) {
    TENON_ASSERT(count <= kMost);
    for (size_t i = 0; i < count; ++i) new (data() + i) T();
  }
  ~StackList() {
    for (size_t i = 0; i < count_; ++i) data()[i].~T();
  }
  StackList(const StackList&) = delete;
  StackList& operator=(const StackList&) = delete;
  T* data() { return reinterpret_cast<T*>(bytes_); }
  T& operator[](size_t i) { return data()[i]; }
  T& operator[](int i) { return data()[i]; }
  operator std::span<T>() { return {data(), count_}; }  // NOLINT(google-explicit-constructor)

 private:
  const size_t count_;
  alignas(T) std::byte bytes_[kMost * sizeof(T)];
};

// All inputs and outputs contiguous and of one shape: the launch as one run of elements. No record,
// no version. `list`: enqueued with others when that is flushed.
void launch_simple(MapVariant& variant, const Tensor* const* inputs, int n_inputs,
                   const uint64_t* scalars, const Tensor* outputs, uint32_t flags,
                   LaunchList* list = nullptr);
// All inputs contiguous and of one shape, which is the outputs'. The path of small calls.
void apply_simple(MapVariant& variant, const Tensor* const* inputs, int n_inputs,
                  const uint64_t* scalars, Tensor* outputs);

// Makes a record for a call if one is wanted, and releases it unless it is handed on. `out_shape`:
// for a sum, the shape of the outputs.
class RecordGuard {
 public:
  RecordGuard(MapVariant& variant, const Tensor* const* inputs, int n_inputs,
              const uint64_t* scalars, DimsView target, const DimsView* out_shape)
      : variant_(variant) {
    if (!detail::grad_mode || !variant.differentiable()) return;
    bool wanted = false;
    for (int i = 0; i < n_inputs; ++i) wanted |= wants_grad(*inputs[i]);
    if (wanted) make(inputs, n_inputs, scalars, target, out_shape);
  }
  ~RecordGuard() {
    if (node_) release(node_);
  }
  RecordGuard(const RecordGuard&) = delete;
  RecordGuard& operator=(const RecordGuard&) = delete;
  Node* node() const { return node_; }
  // x is about to be overwritten: where backward needs its old value, that is kept as a copy.
  void copy_overwritten(const Tensor& x);
  // Keeps what backward needs of the outputs, once they are there.
  void save_outputs(const Tensor* outputs);
  // Makes the outputs point to the record.
  void attach(const Tensor* outputs) {
    if (node_) attach_node(outputs);
  }

 private:
  void attach_node(const Tensor* outputs);
  void make(const Tensor* const* inputs, int n_inputs, const uint64_t* scalars, DimsView target,
            const DimsView* out_shape);
  MapVariant& variant_;
  Node* node_ = nullptr;
  const MapGradient* gradient_ = nullptr;
};

// Counts the write of x in place and gives x its new history. (Not in an anonymous namespace:
// TENON_TRACE tells the library's functions by their names.)
void finish_inplace(const char* name, const Tensor& x, RecordGuard& record);

}  // namespace tenon

#endif  // TENON_OPS_MAP_RECORD_H_
