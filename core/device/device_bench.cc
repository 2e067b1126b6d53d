// What the floor itself costs: allocation, launch, waking the pool. The device does next to
// nothing.
#include <benchmark/benchmark.h>

#include "tenon/device/builtin.h"
#include "tenon/device/device.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan.h"
#include "tenon/device/pool.h"
#include "tenon/map/builder.h"

namespace tenon {
namespace {

using Host = testing::Fake<0>;

TenonStatus launch_nothing(TenonDevice, TenonStream, TenonKernel, const TenonLaunch*,
                           TenonError*) noexcept {
  return TENON_OK;
}

}  // namespace

std::span<const TenonEntryFn> builtin_backends() {
  static const TenonEntryFn entries[] = {Host::entry};
  Host::settings().name = "cpu";
  Host::settings().host_addressable = true;
  Host::settings().spoil = [](TenonBackend*, TenonCoreOps* core, TenonStreamOps*) {
    core->kernel_launch = launch_nothing;
  };
  return entries;
}

namespace {

void BM_AllocateRelease(benchmark::State& state) {
  DeviceState& d = Device().state();
  StreamState& s = *d.default_stream;
  for (auto _ : state) {
    const Memory m = allocate(d, s, static_cast<uint64_t>(state.range(0)));
    benchmark::DoNotOptimize(m.buffer);
    release(m);
  }
}
BENCHMARK(BM_AllocateRelease)->Arg(256)->Arg(100 << 10)->Arg(64 << 20)->Threads(1);
BENCHMARK(BM_AllocateRelease)->Arg(256)->Threads(2);

void BM_Launch(benchmark::State& state) {
  map::Builder b;
  map::Kernel k;
  k.name = "negative";
  k.program = b.finish({b.emit(TENON_OP_NEG, DType::float32, b.input(DType::float32))});
  DeviceState& d = Device().state();
  const Plan& plan = plan_for(d, k);
  StreamState& s = current_stream(d);
  for (auto _ : state) {
    TenonOperand o[2];
    TenonLaunch l;
    l.size = sizeof l;
    l.operands = o;
    benchmark::DoNotOptimize(&l);
    run(plan, s, l);
  }
}
BENCHMARK(BM_Launch);

void BM_PlanFor(benchmark::State& state) {
  map::Builder b;
  map::Kernel k;
  k.name = "negative";
  k.program = b.finish({b.emit(TENON_OP_NEG, DType::float32, b.input(DType::float32))});
  DeviceState& d = Device().state();
  for (auto _ : state) benchmark::DoNotOptimize(&plan_for(d, k));
}
BENCHMARK(BM_PlanFor);

void BM_DeviceByName(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Device("cpu").state().ordinal);
}
BENCHMARK(BM_DeviceByName);

// Two pieces of nothing: what it takes to share work with threads that still spin.
void BM_ParallelFor(benchmark::State& state) {
  set_num_threads(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    parallel_for(
        2, 1, [](void*, int64_t b, int64_t) { benchmark::DoNotOptimize(b); }, nullptr);
  }
}
BENCHMARK(BM_ParallelFor)->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace tenon
