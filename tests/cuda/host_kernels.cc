#include "tests/cuda/host_kernels.h"

#include <map>
#include <string>

#include "tests/cuda/host_prelude.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wbool-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wmissing-declarations"
#include "backends/cuda/common_prelude.inc"
#include "backends/cuda/single.cuh"

namespace {

template <auto kKernel, class Launch>
void Call(void* const* arguments) {
  kKernel(*static_cast<const Launch*>(arguments[0]));
}

using Table = std::map<std::string, HostKernel>;

}  // namespace

// The kernels, as functions here ...
#include "backends/cuda/indexing.cuh"
#include "backends/cuda/rows.cuh"
#include "backends/cuda/single_casts.inc"
#include "backends/cuda/single_floats.inc"
#include "backends/cuda/single_integers.inc"
#pragma GCC diagnostic pop

namespace {

template <class Launch, void (*kKernel)(Launch)>
void Add(Table& table, const char* name) {
  table[name] = &Call<kKernel, Launch>;
}

// ... and by their names.
Table MakeTable() {
  Table table;
#undef SINGLE
#undef SINGLE_INDEX
#define SINGLE(NAME, ...)                                           \
  Add<tenon_cuda::SingleLaunch, NAME##_flat>(table, #NAME "_flat"); \
  Add<tenon_cuda::SingleLaunch, NAME##_strided>(table, #NAME "_strided");
#define SINGLE_INDEX() Add<tenon_cuda::SingleLaunch, index_i64_strided>(table, "index_i64_strided");
#include "backends/cuda/single_casts.inc"
#include "backends/cuda/single_floats.inc"
#include "backends/cuda/single_integers.inc"
#define ADD_INDEXING(LAUNCH, NAME) Add<tenon_cuda::LAUNCH, NAME>(table, #NAME)
#define ADD_MOVES(NAME)                     \
  ADD_INDEXING(IndexLaunch, gather_##NAME); \
  ADD_INDEXING(ScatterLaunch, assign_##NAME)
#define ADD_ADDS(NAME)                             \
  ADD_INDEXING(ScatterLaunch, scatter_add_##NAME); \
  ADD_INDEXING(ScatterLaunch, scatter_carried_##NAME)
  ADD_MOVES(1);
  ADD_MOVES(2);
  ADD_MOVES(4);
  ADD_MOVES(8);
  ADD_MOVES(16);
  ADD_ADDS(u8);
  ADD_ADDS(u16);
  ADD_ADDS(u32);
  ADD_ADDS(u64);
  ADD_ADDS(f16);
  ADD_ADDS(bf16);
  ADD_ADDS(f32);
  ADD_ADDS(f64);
  ADD_INDEXING(ScatterLaunch, scatter_mark);
  ADD_INDEXING(ScatterLaunch, scatter_keys);
  ADD_INDEXING(SortLaunch, sort_count);
  ADD_INDEXING(SortLaunch, sort_scan);
  ADD_INDEXING(SortLaunch, sort_move);
#define ADD_ROWS(TIER, LANES, SLOTS, SLOTS_F64, VECTORS, HELD, NAME, DTYPE, ...) \
  Add<tenon_cuda::RowLaunch, NAME##_##DTYPE##_##TIER>(table, #NAME "_" #DTYPE "_" #TIER);
  TENON_ROW_KERNELS(ADD_ROWS)
  return table;
}

}  // namespace

HostKernel FindHostKernel(const char* name) {
  static const Table* const table = new Table(MakeTable());
  const auto found = table->find(name);
  return found != table->end() ? found->second : nullptr;
}
