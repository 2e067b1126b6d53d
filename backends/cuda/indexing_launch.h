// What the kernels of gather and scatter take: the same structs for the host that fills them
// (indexing.cc) and the kernels (indexing.cuh).
//
// One of the two tensors is walked through element by element, the *walked* one (gather's dst,
// scatter's src); the index says for each of its elements where along the axis the *chosen* one's
// lies. INDEX_ROWS is INDEX_ALONG with an index that is the same along all other axes: stride 0.
#ifndef TENON_BACKENDS_CUDA_INDEXING_LAUNCH_H_
#define TENON_BACKENDS_CUDA_INDEXING_LAUNCH_H_

namespace tenon_cuda {

constexpr int kIndexThreads = 256;
constexpr int kSortItems = 8;    // of a thread
constexpr int kSortDigits = 16;  // of a pass: 4 bits
constexpr int kTile = 64;        // sorted entries that one thread adds up

struct IndexAxis {
  long long size;
  long long walked, chosen, index;  // strides in elements; of the chosen one along the axis: 0
  long long position;               // stride in the index counted row by row, for error messages
  long long slot;                   // stride in the numbering of what can be named (scatter)
};

struct IndexLaunch {
  unsigned long long walked, chosen, index;  // addresses
  unsigned long long out_of_range;           // address of an i64
  long long count;                           // elements of the walked tensor
  long long bound, step;                     // the chosen tensor's size and stride along the axis
  unsigned rank, axis;                       // axes[axis] is the one that the index stands for
  unsigned wide_index;                       // i64, not i32
  unsigned reserved;
  IndexAxis axes[8];
};

// Scatter needs to know which entries of the index name the same place. With ROWS an entry stands
// for `lanes` elements (all positions on the other axes), with ALONG for one.
struct ScatterLaunch {
  IndexLaunch index;
  long long entries, lanes;
  unsigned long long winners;  // ASSIGN: u32 per slot, 1 + the last entry's place along the axis
  unsigned long long keys, numbers;  // ADD: u32 per entry, sorted by key, then by number
  unsigned long long carries;        // ADD: two accumulators per tile and lane
};

struct SortLaunch {
  unsigned long long keys, numbers, sorted_keys, sorted_numbers;  // u32 per entry
  unsigned long long counts;                                      // u32 per digit and block
  long long entries, blocks;
  unsigned shift, reserved;
};

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_INDEXING_LAUNCH_H_
