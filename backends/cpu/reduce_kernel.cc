// Reduce kernels. Two ways through the elements:
//   rows     for one result after the other, all its elements; where those lie close together
//   columns  for a tile of results side by side, one element of each after the other; where the
//   results lie close
// What fits into one block goes through the prologue at once and is taken apart into rows or
// columns afterwards. A long reduction is cut into chunks. Tiles, chunks and the way follow from
// shapes and strides alone, and chunks are joined in order: the same bits whatever the number of
// threads.
#include <algorithm>

#include "backends/cpu/host.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/reduce_plan.h"
#include "backends/cpu/runner.h"
#include "backends/cpu/space.h"
#include "backends/cpu/strided_copy.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

constexpr int64_t kSlotBytes = 48 << 10;      // of a tile's states, on the stack
constexpr int64_t kPieceElements = 32 << 10;  // worth a thread
constexpr int64_t kBlock = 1024;              // of Program::block at most

struct Job {
  Job(const Kernel& kernel, const TenonLaunch& of)
      : program(kernel.program), plan(*kernel.reduce), launch(of) {}
  const Program& program;
  const ReducePlan& plan;
  const TenonLaunch& launch;
  Space kept, reduced;  // left as they are: clearing them would be most of a small reduction
  const char* bases[kMaxOperands];
  bool columns;
  int64_t tile;   // results
  int64_t chunk;  // elements of each
  int64_t tiles, chunks;
};

// States of a tile, slot by slot: Of(r)[s][j] is slot s of result j of reducer r.
class States {
 public:
  States(Slot* memory, int64_t stride) : memory_(memory), stride_(stride) {}
  Slot* At(size_t reducer, int slot) const {
    return memory_ + (static_cast<int64_t>(reducer) * kSlots + slot) * stride_;
  }
  void Store(size_t reducer, int64_t j, const Slot* state) const {
    for (int s = 0; s < kSlots; ++s) At(reducer, s)[j] = state[s];
  }
  void Read(size_t reducer, int64_t j, Slot* state) const {
    for (int s = 0; s < kSlots; ++s) state[s] = At(reducer, s)[j];
  }

 private:
  Slot* memory_;
  int64_t stride_;
};

Keys KeysAt(const Job& job, Runner& runner, const Reducer& reducer, int64_t index, int64_t position,
            const Space& space, int64_t n) {
  Keys keys;
  if (!reducer.has_key) return keys;
  if (!reducer.key_is_index) {
    keys.keys = reinterpret_cast<const int64_t*>(runner.Array(reducer.key, n));
  } else if (runner.lines()) {
    keys.first = job.launch.index_base + index + space.Index(position);
    keys.step = space.rank == 0 ? 0 : space.index_strides[space.rank - 1];
  } else {
    runner.FillIndex(reducer.key, position, n);
    keys.keys = reinterpret_cast<const int64_t*>(runner.At(reducer.key));
  }
  return keys;
}

const void* Values(Runner& runner, const Reducer& reducer, int64_t n, char* buffer) {
  const char* x = runner.Array(reducer.value, n);
  if (reducer.cast == nullptr) return x;
  reducer.cast(buffer, x, nullptr, nullptr, n, 0);
  return buffer;
}

void AccumulateRows(const Job& job, int64_t k0, int64_t k1, int64_t r0, int64_t r1,
                    const States& states) {
  const size_t n_reducers = job.plan.reducers.size();
  Runner runner(job.program, job.launch.scalars);
  alignas(64) char buffer[kBlock * 8];
  for (int64_t k = k0; k < k1; ++k) {
    Slot state[kMaxReducers][kSlots];
    for (size_t r = 0; r < n_reducers; ++r)
      std::copy_n(job.plan.reducers[r].fns.initial, kSlots, state[r]);
    const char* bases[kMaxOperands];
    for (size_t o = 0; o < job.program.input_dtypes.size(); ++o)
      bases[o] = job.bases[o] + job.kept.Offset(static_cast<int>(o), k);
    const int64_t index = job.kept.Index(k);
    runner.Enter(job.reduced, bases, job.launch.index_base + index);
    for (int64_t at = r0; at < r1;) {
      const int64_t n = runner.Bind(at, r1 - at);
      runner.Run(n);
      for (size_t r = 0; r < n_reducers; ++r) {
        const Reducer& reducer = job.plan.reducers[r];
        reducer.fns.row(state[r], Values(runner, reducer, n, buffer),
                        KeysAt(job, runner, reducer, index, at, job.reduced, n), n);
      }
      at += n;
    }
    for (size_t r = 0; r < n_reducers; ++r) states.Store(r, k - k0, state[r]);
  }
}

// Without a prologue and with rows at one stride several rows go into one call.
bool PlainColumns(const Job& job) {
  const Reducer& reducer = job.plan.reducers[0];
  const Value& value = job.program.values[reducer.value];
  return job.plan.reducers.size() == 1 && job.program.steps.empty() &&
         (!reducer.has_key || reducer.key_is_index) && reducer.cast == nullptr &&
         value.kind == Kind::kInput && job.reduced.rank <= 1 && job.kept.rank <= 1 &&
         job.kept.inner_stride(value.slot) == value.item;
}

void AccumulateColumns(const Job& job, int64_t k0, int64_t k1, int64_t r0, int64_t r1,
                       const States& states) {
  const size_t n_reducers = job.plan.reducers.size();
  for (size_t r = 0; r < n_reducers; ++r) {
    for (int s = 0; s < kSlots; ++s)
      std::fill_n(states.At(r, s), k1 - k0, job.plan.reducers[r].fns.initial[s]);
  }
  if (PlainColumns(job)) {
    const Reducer& reducer = job.plan.reducers[0];
    const int slot = job.program.values[reducer.value].slot;
    const int64_t stride = job.reduced.inner_stride(slot);
    Slot* const slots[kSlots] = {states.At(0, 0), states.At(0, 1), states.At(0, 2)};
    Keys keys;
    keys.first = job.launch.index_base + job.kept.Index(k0) + job.reduced.Index(r0);
    keys.step = job.kept.rank == 0 ? 0 : job.kept.index_strides[0];
    keys.row_step = job.reduced.rank == 0 ? 0 : job.reduced.index_strides[0];
    reducer.fns.column(slots, job.bases[slot] + job.kept.Offset(slot, k0) + r0 * stride, stride,
                       r1 - r0, keys, k1 - k0);
    return;
  }
  Runner runner(job.program, job.launch.scalars);
  alignas(64) char buffer[kBlock * 8];
  int64_t n;
  for (int64_t at = k0; at < k1; at += n) {
    n = k1 - at;
    for (int64_t row = r0; row < r1; ++row) {
      const char* bases[kMaxOperands];
      for (size_t o = 0; o < job.program.input_dtypes.size(); ++o)
        bases[o] = job.bases[o] + job.reduced.Offset(static_cast<int>(o), row);
      const int64_t index = job.reduced.Index(row);
      runner.Enter(job.kept, bases, job.launch.index_base + index);
      n = runner.Bind(at, n);  // the same for all rows
      runner.Run(n);
      for (size_t r = 0; r < n_reducers; ++r) {
        const Reducer& reducer = job.plan.reducers[r];
        Slot* const slots[kSlots] = {states.At(r, 0) + (at - k0), states.At(r, 1) + (at - k0),
                                     states.At(r, 2) + (at - k0)};
        reducer.fns.column(slots, Values(runner, reducer, n, buffer), 0, 1,
                           KeysAt(job, runner, reducer, index, at, job.kept, n), n);
      }
    }
  }
}

void Accumulate(const Job& job, int64_t k0, int64_t k1, int64_t r0, int64_t r1,
                const States& states) {
  if (job.columns)
    AccumulateColumns(job, k0, k1, r0, r1, states);
  else
    AccumulateRows(job, k0, k1, r0, r1, states);
}

// All elements of all results, which are one block.
void AccumulateBlock(const Job& job, const States& states) {
  const int64_t results = job.kept.count, elements = job.reduced.count, n = results * elements;
  Space all;
  if (job.columns)
    JoinSpaces(job.reduced, job.kept, &all);
  else
    JoinSpaces(job.kept, job.reduced, &all);
  Runner runner(job.program, job.launch.scalars);
  runner.EnterAcross(all, job.bases, job.launch.index_base);
  runner.Bind(0, n);
  runner.Run(n);
  alignas(64) char buffer[kBlock * 8];
  for (size_t r = 0; r < job.plan.reducers.size(); ++r) {
    const Reducer& reducer = job.plan.reducers[r];
    const ReduceFns& fns = reducer.fns;
    const char* const values = static_cast<const char*>(Values(runner, reducer, n, buffer));
    const int64_t* keys = nullptr;
    if (reducer.has_key) {
      if (reducer.key_is_index) runner.FillIndex(reducer.key, 0, n);
      keys = reinterpret_cast<const int64_t*>(runner.Array(reducer.key, n));
    }
    if (job.columns) {
      for (int s = 0; s < kSlots; ++s) std::fill_n(states.At(r, s), results, fns.initial[s]);
      Slot* const slots[kSlots] = {states.At(r, 0), states.At(r, 1), states.At(r, 2)};
      const int64_t stride = results * reducer.load_item;
      if (keys == nullptr) {
        fns.column(slots, values, stride, elements, Keys(), results);
        continue;
      }
      for (int64_t row = 0; row < elements; ++row)
        fns.column(slots, values + row * stride, 0, 1, {keys + row * results}, results);
      continue;
    }
    for (int64_t k = 0; k < results; ++k) {
      Slot state[kSlots] = {fns.initial[0], fns.initial[1], fns.initial[2]};
      fns.row(state, values + k * elements * reducer.load_item,
              {keys == nullptr ? nullptr : keys + k * elements}, elements);
      states.Store(r, k, state);
    }
  }
}

// The accumulators of results [k0, k1) in their dtypes, through the epilogue, to the outputs.
void Finish(const Job& job, int64_t k0, int64_t k1, const States& states) {
  const Program& epilogue = job.plan.epilogue;
  const int64_t n = k1 - k0;
  const int n_inputs = static_cast<int>(job.program.input_dtypes.size());
  alignas(64) char memory[kSlotBytes];
  char* arrays[kMaxOperands];
  uint32_t a = 0;
  // A single accumulator that is the output is made where it goes.
  const int64_t out_stride = job.kept.inner_stride(n_inputs);
  const bool straight = job.plan.plain && job.plan.n_accumulators == 1 &&
                        epilogue.outputs.size() == 1 && job.kept.rank <= 1 &&
                        (n == 1 || out_stride == epilogue.values[epilogue.outputs[0]].item);
  for (size_t r = 0; r < job.plan.reducers.size(); ++r) {
    const Reducer& reducer = job.plan.reducers[r];
    const bool moments = reducer.kind == TENON_MOMENTS;
    if (reducer.kind == TENON_SUM && reducer.fns.slots == 2) {
      for (int64_t j = 0; j < n; ++j) {
        double& sum = states.At(r, 0)[j].f;
        if (sum - sum == 0) sum += states.At(r, 1)[j].f;  // of an infinite sum nothing is lost
      }
    }
    for (int s = reducer.has_key ? 1 : 0, last = moments ? 2 : s; s <= last; ++s, ++a) {
      arrays[a] = straight ? const_cast<char*>(job.bases[n_inputs]) + k0 * out_stride
                           : memory + a * job.tile * 8;
      reducer.finish(arrays[a], states.At(r, s), nullptr, nullptr, n, 0);
    }
  }
  if (straight) return;
  const auto store = [&](const char* from, size_t o, int64_t at, int64_t count) {
    const int operand = n_inputs + static_cast<int>(o);
    char* const base = const_cast<char*>(job.bases[operand]);
    const int64_t item = epilogue.values[epilogue.outputs[o]].item;
    if (job.kept.rank <= 1) {
      const int64_t stride = job.kept.inner_stride(operand);
      CopyLine(base + at * stride, stride, from, item, item, count);
    } else {
      ScatterBlock(from, job.kept, operand, base, at, count, item);
    }
  };
  if (job.plan.plain) {
    for (size_t o = 0; o < epilogue.outputs.size(); ++o)
      store(arrays[epilogue.values[epilogue.outputs[o]].slot], o, k0, n);
    return;
  }
  Runner runner(epilogue, job.launch.scalars);
  for (int64_t at = 0; at < n; at += epilogue.block) {
    const int64_t m = std::min(epilogue.block, n - at);
    char* blocks[kMaxOperands];
    for (uint32_t k = 0; k < a; ++k)
      blocks[k] = arrays[k] + at * tenon_dtype_size(epilogue.input_dtypes[k]);
    runner.BindArrays(blocks);
    runner.Run(m);
    for (size_t o = 0; o < epilogue.outputs.size(); ++o)
      store(runner.Array(epilogue.outputs[o], m), o, k0 + at, m);
  }
}

void Plan(Job& job) {
  const int64_t results = job.kept.count, elements = job.reduced.count;
  int lead = 0;
  const int n_inputs = static_cast<int>(job.program.input_dtypes.size());
  while (lead + 1 < n_inputs && job.kept.IsBroadcast(lead) && job.reduced.IsBroadcast(lead)) ++lead;
  const int64_t item = tenon_dtype_size(job.launch.operands[lead].dtype);
  const bool results_close =
      n_inputs > 0 && job.kept.inner_stride(lead) == item && job.reduced.inner_stride(lead) != item;
  job.columns = (results_close && results >= 4) || (elements <= 8 && results >= 32);
  const int64_t most = kSlotBytes / 8 / kSlots / static_cast<int64_t>(job.plan.reducers.size());
  if (job.columns) {
    job.tile = std::min<int64_t>({results, most, 512});
  } else {
    job.tile = std::clamp<int64_t>(kPieceElements / elements, 1, std::min<int64_t>(most, 256));
  }
  job.tiles = (results + job.tile - 1) / job.tile;
  job.chunk = elements;
  if (job.tiles < 16 && job.tile * elements > 4 * kPieceElements) {
    job.chunk = std::max<int64_t>(2 * kPieceElements / job.tile, (elements + 255) / 256);
    const int64_t multiple = job.columns ? 4 : kBlock;
    job.chunk = (job.chunk + multiple - 1) / multiple * multiple;
  }
  job.chunks = (elements + job.chunk - 1) / job.chunk;
}

}  // namespace

TenonStatus LaunchReduce(const Kernel& kernel, const TenonLaunch& launch, TenonError* error) {
  Job job(kernel, launch);
  const uint32_t n_inputs = static_cast<uint32_t>(kernel.program.input_dtypes.size());
  uint32_t lead = 0;
  const auto broadcast = [&](uint32_t k) {
    const int64_t* const strides = launch.operands[k].strides;
    return std::all_of(strides, strides + launch.rank, [](int64_t s) { return s == 0; });
  };
  while (lead + 1 < n_inputs && broadcast(lead)) ++lead;
  MakeSpace(launch, ~launch.reduce_axes, lead, kernel.reads_index, &job.kept);
  MakeSpace(launch, launch.reduce_axes, lead, kernel.reads_index, &job.reduced);
  for (uint32_t k = 0; k < launch.n_operands; ++k) job.bases[k] = Address(launch.operands[k]);
  Plan(job);
  const int64_t results = job.kept.count, elements = job.reduced.count;
  const int64_t slots = kSlots * static_cast<int64_t>(job.plan.reducers.size());
  if (results <= job.tile && results * elements <= kernel.program.block) {
    alignas(64) Slot memory[kSlotBytes / sizeof(Slot)];
    const States states(memory, job.tile);
    AccumulateBlock(job, states);
    Finish(job, 0, results, states);
    return TENON_OK;
  }
  const int64_t grain = std::max<int64_t>(1, kPieceElements / (job.tile * job.chunk));
  if (job.chunks == 1) {
    ParallelFor(job.tiles, grain, [&](int64_t begin, int64_t end) {
      alignas(64) Slot memory[kSlotBytes / sizeof(Slot)];
      const States states(memory, job.tile);
      for (int64_t t = begin; t < end; ++t) {
        const int64_t k0 = t * job.tile, k1 = std::min(results, k0 + job.tile);
        Accumulate(job, k0, k1, 0, elements, states);
        Finish(job, k0, k1, states);
      }
    });
    return TENON_OK;
  }
  // States of every (tile, chunk), joined afterwards.
  const int64_t unit = slots * job.tile;
  const HostMemory memory(static_cast<uint64_t>(unit * job.tiles * job.chunks) * sizeof(Slot));
  if (memory.data == nullptr)
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "cpu: no memory for the parts of a reduction");
  Slot* const parts = static_cast<Slot*>(memory.data);
  ParallelFor(job.tiles * job.chunks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; ++u) {
      const int64_t k0 = u / job.chunks * job.tile, r0 = u % job.chunks * job.chunk;
      Accumulate(job, k0, std::min(results, k0 + job.tile), r0, std::min(elements, r0 + job.chunk),
                 States(parts + u * unit, job.tile));
    }
  });
  ParallelFor(job.tiles, std::max<int64_t>(1, kPieceElements / (job.tile * job.chunks)),
              [&](int64_t begin, int64_t end) {
                for (int64_t t = begin; t < end; ++t) {
                  const int64_t k0 = t * job.tile, k1 = std::min(results, k0 + job.tile);
                  const States first(parts + t * job.chunks * unit, job.tile);
                  for (int64_t c = 1; c < job.chunks; ++c) {
                    const States later(parts + (t * job.chunks + c) * unit, job.tile);
                    for (size_t r = 0; r < job.plan.reducers.size(); ++r) {
                      for (int64_t j = 0; j < k1 - k0; ++j) {
                        Slot state[kSlots], next[kSlots];
                        first.Read(r, j, state);
                        later.Read(r, j, next);
                        job.plan.reducers[r].fns.combine(state, next);
                        first.Store(r, j, state);
                      }
                    }
                  }
                  Finish(job, k0, k1, first);
                }
              });
  return TENON_OK;
}

}  // namespace tenon_cpu
