// Reducers over arrays. A state is three slots; floats accumulate in f64 whatever the accumulator's
// dtype, integers in 64 bits, wrapping.
#ifndef TENON_BACKENDS_CPU_REDUCE_KERNELS_H_
#define TENON_BACKENDS_CPU_REDUCE_KERNELS_H_

#include <cstdint>

namespace tenon_cpu {

//            slot 0                 slot 1                       slot 2
// SUM        sum                    what its rounding lost (f64)
// MIN ..ALL  value
// ARG*       value                  key
// MOMENTS    count                  mean                         sum of squared deviations
union Slot {
  double f;
  int64_t i;
  uint64_t u;
};
inline constexpr int kSlots = 3;

// The key of element j of row r: keys[j] (of one row), or first + j * step + r * row_step where
// there is no array.
struct Keys {
  const int64_t* keys = nullptr;
  int64_t first = 0;
  int64_t step = 0;
  int64_t row_step = 0;
};

// Takes n elements, one after the other in memory, into one state.
using RowFn = void (*)(Slot* state, const void* x, const Keys& keys, int64_t n);

// Takes `rows` rows of n elements into n states: state j is slots[0][j], slots[1][j], slots[2][j].
using ColumnFn = void (*)(Slot* const* slots, const void* x, int64_t row_stride, int64_t rows,
                          const Keys& keys, int64_t n);

struct ReduceFns {
  RowFn row = nullptr;
  ColumnFn column = nullptr;
  void (*combine)(Slot* state, const Slot* later) = nullptr;
  Slot initial[kSlots] = {};
  int slots = 1;        // how many are used
  uint32_t result = 0;  // dtype of what the slots hold: f64, i64 or u64
  uint32_t load = 0;    // dtype that the functions read; the values must be cast to it first
};

// For a TenonReducer: `kind`, the dtype of its values and its accumulator's. False: not defined.
bool FindReducer(uint32_t kind, uint32_t dtype, uint32_t acc_dtype, ReduceFns* fns);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_REDUCE_KERNELS_H_
