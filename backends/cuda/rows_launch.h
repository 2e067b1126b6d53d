// What the kernels of softmax, cross entropy and layer norm take: the same struct for the host that
// fills it (rows_plan.cc) and the kernels (rows.cuh). Rows lie along one axis; the others number
// them.
#ifndef TENON_BACKENDS_CUDA_ROWS_LAUNCH_H_
#define TENON_BACKENDS_CUDA_ROWS_LAUNCH_H_

namespace tenon_cuda {

constexpr int kRowOperands = 6, kRowAxes = 7;

struct RowOperand {
  unsigned long long address;  // 0: there is none
  long long stride;            // along the row, in elements
  long long strides[kRowAxes];
};

struct RowLaunch {
  long long rows, length;
  double eps;             // layer norm
  unsigned rank;          // of the axes that number the rows
  unsigned wide_targets;  // cross entropy: i64, not i32
  long long sizes[kRowAxes];
  RowOperand operands[kRowOperands];
};

// How many lanes (work items) share a row, and how many elements of it each loads before it looks
// at them: kernels exist for each of these. `vectors`: packs of 16 bytes, for which every operand
// must be aligned and contiguous along the row. `held`: the whole row stays in these registers,
// else it is read once per pass.
struct RowTier {
  const char* name;
  int lanes, slots, slots_f64;
  bool vectors, held;
};
#define TENON_ROW_TIERS(X, ...)                    \
  X(quad, 4, 8, 8, false, true, __VA_ARGS__)       \
  X(half_warp, 16, 8, 8, false, true, __VA_ARGS__) \
  X(warp, 32, 32, 16, true, true, __VA_ARGS__)     \
  X(block, 256, 32, 16, true, true, __VA_ARGS__)   \
  X(long, 512, 16, 8, true, false, __VA_ARGS__)    \
  X(any, 256, 8, 8, false, false, __VA_ARGS__)
#define TENON_ROW_TIER(NAME, LANES, SLOTS, SLOTS_F64, VECTORS, HELD, ...) \
  {#NAME, LANES, SLOTS, SLOTS_F64, VECTORS, HELD},
constexpr RowTier kRowTiers[] = {TENON_ROW_TIERS(TENON_ROW_TIER, )};
#undef TENON_ROW_TIER

// Work items of a group: that of a long row, or several rows.
constexpr int RowThreads(int lanes) { return lanes < 128 ? 128 : lanes; }

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_ROWS_LAUNCH_H_
