// Rows along the last axis of several tensors, brought to the row kernels as arrays of the dtype
// that they compute in, and back: one row at a time, or, where rows are short or lie across memory,
// tiles of rows side by side. What lies right already is not copied.
#ifndef TENON_BACKENDS_CPU_ROWS_H_
#define TENON_BACKENDS_CPU_ROWS_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "backends/cpu/host.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/row_kernels.h"
#include "backends/cpu/space.h"
#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

inline constexpr int kMaxRowInputs = 3;
inline constexpr int64_t kMaxTileWidth = 4 * kTileWidth;

class Rows {
 public:
  // Rows first .. first + count - 1, side by side in a tile of `width`; a row by itself: width 1.
  struct Block {
    int64_t first, count, width;
    const char* inputs[kMaxRowInputs];
    char* output;
  };

  // The first `n_inputs` tensors are read as rows, the one after them is written if `has_output`;
  // the others only have places (At). All have been checked. An input may be missing (nullptr):
  // its rows are nullptr then.
  Rows(std::initializer_list<const TenonTensor*> tensors, int n_inputs, bool has_output);

  // Chooses the way; false: kernels that read several times are as good (a few rows longer than the
  // second-level cache: they spread one row over the threads), or better (long rows across memory).
  bool Plan(bool has_tile_kernel);

  // fn(block) for all rows, in parallel. A tile's output is its last input's memory, so fn may
  // write there.
  template <class Fn>
  TenonStatus ForEachBlock(Fn&& fn, TenonError* error) const;

  int64_t n() const { return n_; }
  bool wide() const { return compute_ == TENON_F64; }
  uint32_t dtype(int tensor) const { return lines_[tensor].dtype; }
  char* At(int tensor, int64_t row) const {
    return bases_[tensor] +
           (outer_.rank <= 1 ? row * outer_.inner_stride(tensor) : outer_.Offset(tensor, row));
  }

 private:
  static constexpr int kMaxTensors = 6;
  static constexpr int64_t kStackBytes = 64 << 10;
  struct Line {
    uint32_t dtype;
    int64_t item, step;  // bytes; along the last axis
    bool direct;         // the kernel takes a row where it lies
    bool fixed;          // one row for all
  };

  TenonStatus Run(void (*body)(const void* fn, const Block& block), const void* fn,
                  TenonError* error) const;
  void RunUnits(int64_t begin, int64_t end, char* scratch,
                void (*body)(const void* fn, const Block& block), const void* fn) const;
  // One line of `m` elements between its places, `step` bytes apart, and an array.
  void ReadLine(char* to, const Line& line, const char* from, int64_t step, int64_t m) const;
  void WriteLine(const char* from, const Line& line, char* to, int64_t step, int64_t m) const;
  void ReadTile(char* to, int tensor, const Block& block) const;
  void WriteTile(const char* from, int tensor, const Block& block) const;
  // The rows of a tile lie one element apart, in this tensor.
  bool Adjacent(int tensor, const Block& block) const;

  Space outer_;  // a position per row
  Line lines_[kMaxTensors];
  char* bases_[kMaxTensors];
  int n_inputs_;
  bool has_output_;
  int64_t n_;
  uint32_t compute_;                            // f32 or f64
  int64_t compute_item_;                        // bytes
  ArrayFn widen_ = nullptr, narrow_ = nullptr;  // of halves
  int64_t width_ = 1;                           // rows in a block
  int64_t buffer_bytes_ = 0;                    // of one array
  int n_buffers_ = 0;
};

template <class Fn>
TenonStatus Rows::ForEachBlock(Fn&& fn, TenonError* error) const {
  using Body = std::remove_reference_t<Fn>;
  return Run([](const void* f, const Block& block) { (*static_cast<const Body*>(f))(block); }, &fn,
             error);
}

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_ROWS_H_
