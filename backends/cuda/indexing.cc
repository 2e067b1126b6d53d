#include "backends/cuda/indexing.h"

#include <algorithm>
#include <bit>

#include "backends/cuda/built_in.h"
#include "backends/cuda/call_scope.h"
#include "backends/cuda/device.h"
#include "backends/cuda/indexing_plan.h"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;

constexpr int64_t kSortBlock = int64_t{kIndexThreads} * kSortItems;

// Parts of a workspace, or their sum.
class Parts {
 public:
  explicit Parts(uint64_t start) : start_(start) {}
  uint64_t Take(uint64_t bytes) {
    const uint64_t address = start_ + used_;
    used_ += (bytes + 255) / 256 * 256;
    return address;
  }
  uint64_t used() const { return used_; }

 private:
  const uint64_t start_;
  uint64_t used_ = 0;
};

struct ScatterMemory {
  uint64_t winners = 0;                                             // ASSIGN
  uint64_t keys[2] = {}, numbers[2] = {}, counts = 0, carries = 0;  // ADD
  uint64_t bytes = 0;

  ScatterMemory(const IndexingPlan& plan, uint64_t workspace) {
    Parts parts(workspace);
    const auto count = [](int64_t n) { return static_cast<uint64_t>(n); };
    if (!plan.adds) {
      winners = parts.Take(4 * count(plan.slots));
    } else {
      for (int k = 0; k < 2; ++k) {
        keys[k] = parts.Take(4 * count(plan.entries));
        numbers[k] = parts.Take(4 * count(plan.entries));
      }
      counts = parts.Take(4 * kSortDigits * count(Blocks(plan)));
      const int64_t tiles = (plan.entries + kTile - 1) / kTile;
      carries = parts.Take(2 * count(tiles * plan.lanes) * plan.sum_bytes);
    }
    bytes = parts.used();
  }
  static int64_t Blocks(const IndexingPlan& plan) {
    return (plan.entries + kSortBlock - 1) / kSortBlock;
  }
};

class Runner {
 public:
  Runner(Device& device, Stream& stream, const IndexingPlan& plan)
      : device_(device), stream_(stream), plan_(plan) {}

  void Gather() { Launch("gather_" + plan_.suffix, plan_.index.count, plan_.index); }

  void Assign(const ScatterMemory& memory) {
    ScatterLaunch launch = Filled();
    launch.winners = memory.winners;
    device_.Check(device_.driver().cuMemsetD8Async(
                      memory.winners, 0, 4 * static_cast<uint64_t>(plan_.slots), stream_.handle),
                  "scatter", &stream_);
    Launch("scatter_mark", plan_.entries, launch);
    Launch("assign_" + plan_.suffix, plan_.index.count, launch);
  }

  void Add(const ScatterMemory& memory) {
    ScatterLaunch launch = Filled();
    launch.carries = memory.carries;
    launch.keys = memory.keys[0];
    launch.numbers = memory.numbers[0];
    Launch("scatter_keys", plan_.entries, launch);
    const int last = Sort(memory);
    launch.keys = memory.keys[last];
    launch.numbers = memory.numbers[last];
    const int64_t tiles = (plan_.entries + kTile - 1) / kTile;
    Launch("scatter_add_" + plan_.suffix, tiles * plan_.lanes, launch);
    if (tiles > 1) Launch("scatter_carried_" + plan_.suffix, tiles * plan_.lanes, launch);
  }

 private:
  ScatterLaunch Filled() const {
    ScatterLaunch launch = {};
    launch.index = plan_.index;
    launch.entries = plan_.entries;
    launch.lanes = plan_.lanes;
    return launch;
  }

  // By as many digits as the keys have. Returns in which of the two memories the result is.
  int Sort(const ScatterMemory& memory) {
    SortLaunch launch = {};
    launch.counts = memory.counts;
    launch.entries = plan_.entries;
    launch.blocks = ScatterMemory::Blocks(plan_);
    int from = 0;
    const auto bits = static_cast<unsigned>(
        std::bit_width(static_cast<uint64_t>(std::max<int64_t>(plan_.slots - 1, 0))));
    for (launch.shift = 0; launch.shift < bits; launch.shift += 4, from = 1 - from) {
      launch.keys = memory.keys[from];
      launch.numbers = memory.numbers[from];
      launch.sorted_keys = memory.keys[1 - from];
      launch.sorted_numbers = memory.numbers[1 - from];
      Launch("sort_count", launch.blocks * kIndexThreads, launch);
      Launch("sort_scan", 1, launch);
      Launch("sort_move", launch.blocks * kIndexThreads, launch);
    }
    return from;
  }

  template <class Args>
  void Launch(const std::string& name, int64_t threads, const Args& args) {
    const CUfunction function = device_.built_in().Find(name);
    if (function == nullptr) throw Failure(TENON_UNSUPPORTED, "cuda: no kernel " + name);
    const int64_t blocks = std::clamp<int64_t>((threads + kIndexThreads - 1) / kIndexThreads, 1,
                                               int64_t{32} * std::max(device_.processors(), 1));
    auto copy = args;
    void* arguments[] = {&copy};
    device_.Launch(stream_, function, Interned(name), static_cast<unsigned>(blocks), kIndexThreads,
                   arguments);
  }

  Device& device_;
  Stream& stream_;
  const IndexingPlan& plan_;
};

TenonStatus Run(TenonDevice handle, TenonStream stream, const TenonIndexArgs* given,
                TenonCall* call, TenonError* error, bool scatter) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    TenonIndexArgs args;
    const TenonStatus status =
        tenon_read_struct(&args, sizeof args, given, "TenonIndexArgs", error);
    if (status != TENON_OK) return status;
    const CallScope scope(call);
    const IndexingPlan plan = PlanIndexing(args, scatter);
    const uint64_t needed = scatter ? ScatterMemory(plan, 0).bytes : 0;
    if (scope.dry_run()) {
      call->workspace_bytes = needed;
      return TENON_OK;
    }
    Runner runner(device, device.stream(stream), plan);
    if (!scatter) {
      runner.Gather();
    } else {
      const ScatterMemory memory(plan, scope.Workspace(needed));
      plan.adds ? runner.Add(memory) : runner.Assign(memory);
    }
    return TENON_OK;
  });
}

}  // namespace

TenonStatus Gather(TenonDevice device, TenonStream stream, const TenonIndexArgs* args,
                   TenonCall* call, TenonError* error) noexcept {
  return Run(device, stream, args, call, error, false);
}

TenonStatus Scatter(TenonDevice device, TenonStream stream, const TenonIndexArgs* args,
                    TenonCall* call, TenonError* error) noexcept {
  return Run(device, stream, args, call, error, true);
}

}  // namespace tenon_cuda
