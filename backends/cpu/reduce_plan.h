// What a reduce kernel knows besides its prologue program.
#ifndef TENON_BACKENDS_CPU_REDUCE_PLAN_H_
#define TENON_BACKENDS_CPU_REDUCE_PLAN_H_

#include <cstdint>
#include <vector>

#include "backends/cpu/kernels.h"
#include "backends/cpu/program.h"
#include "backends/cpu/reduce_kernels.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

inline constexpr uint32_t kMaxReducers = 16;

struct Reducer {
  uint32_t kind;
  uint16_t value, key;  // of the prologue
  bool has_key;
  bool key_is_index;  // then keys are computed only where they are wanted
  uint8_t acc_dtype;
  uint8_t load_item;  // bytes of what the functions read
  ReduceFns fns;
  ArrayFn cast;    // from the value's dtype to the one that the functions read; nullptr: the same
  ArrayFn finish;  // from the slots' dtype to the accumulator's
};

struct ReducePlan {
  std::vector<Reducer> reducers;
  Program epilogue;
  uint32_t n_accumulators = 0;
  bool plain = false;  // the epilogue's outputs are just its inputs
};

TenonStatus MakeReducePlan(const TenonKernelDesc& desc, Program* prologue, ReducePlan* plan,
                           TenonError* error);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_REDUCE_PLAN_H_
