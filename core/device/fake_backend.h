// A backend for the tests of this floor, with every knob they need. Fake<0>::entry, Fake<1>::entry
// ... are backends of their own.
//
// Asynchronous ones are lazy: work waits in its stream until somebody waits for the stream or an
// event behind it, so what must not depend on the moment is seen without any luck. Memory that is
// not the host's is reached through handles that are the complement of an address.
#ifndef TENON_DEVICE_FAKE_BACKEND_H_
#define TENON_DEVICE_FAKE_BACKEND_H_

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "tenon/abi/tenon_kit_interpreter.h"

namespace tenon::testing {

struct FakeSettings {
  const char* name = "fake";
  uint32_t flags = 0;
  uint32_t devices = 1;
  const char* no_device_reason = "";
  TenonStatus count_status = TENON_OK;
  bool host_addressable = false;
  bool asynchronous = false;
  bool compute = true;
  bool typed = false;
  bool lists = false;  // TenonFusedOps.launch_list
  uint32_t min_alignment = 64;
  uint32_t max_operands = 16, max_instrs = 64, max_scalars = 8;
  uint64_t opcodes[4] = {~1ull, 1ull, 0, 0};
  // Answers kernel_create: true refuses.
  bool (*refuse)(const TenonKernelDesc&) = nullptr;
  // Changes the tables just before they are handed over, for loader tests.
  void (*spoil)(TenonBackend*, TenonCoreOps*, TenonStreamOps*) = nullptr;
};

struct FakeCounters {
  std::atomic<int> entries{0}, opened{0}, closed{0}, allocs{0}, frees{0}, kernels{0}, launches{0},
      copies{0}, dry_runs{0}, lists{0};
  std::atomic<int64_t> live_bytes{0}, limit{INT64_MAX};
  std::atomic<int> unsupported_launches{0};  // this many next launches are refused
  std::atomic<int> failing_launches{0};      // this many next launches fail when they run
  std::atomic<bool> lost{false};
  std::atomic<void (*)()> in_alloc{nullptr}, in_open{nullptr};  // called there
};

template <int kNumber>
class Fake {
 public:
  static FakeSettings& settings() {
    static FakeSettings s;
    return s;
  }
  static FakeCounters& counters() {
    static FakeCounters c;
    return c;
  }

  static TenonStatus entry(const TenonHost* given, const TenonBackend** out,
                           TenonError* error) noexcept {
    ++counters().entries;
    static const TenonHost* host = nullptr;
    const FakeSettings& s = settings();
    const TenonStatus status = tenon_keep_host(&host, given, s.name, error);
    if (status != TENON_OK) return status;
    // What a FORK_SAFE backend owes. (A recursive mutex knows its thread, which is another one in
    // the child.)
    static const int fork_handlers =
        pthread_atfork([] { mutex().lock(); }, [] { mutex().unlock(); },
                       [] { new (&mutex()) std::recursive_mutex; });
    (void)fork_handlers;
    static TenonCoreOps core;
    static TenonStreamOps streams;
    static TenonMemOps memory;
    static TenonTensorOps tensor;
    static TenonFusedOps fused;
    static TenonBackend backend;
    core = {sizeof core, 0,        device_count, device_props, device_open, device_close, mem_alloc,
            mem_free,    copy_h2d, copy_d2h,     copy_d2d,     nullptr,     nullptr,      nullptr};
    if (s.compute) {
      core.kernel_create = kernel_create;
      core.kernel_destroy = kernel_destroy;
      core.kernel_launch = kernel_launch;
    }
    streams = {sizeof streams, 0,
               stream_create,  stream_destroy,
               stream_sync,    stream_query,
               event_create,   event_destroy,
               event_record,   event_wait,
               event_sync,     event_query};
    memory = {sizeof memory, 0, mem_info};
    tensor = {sizeof tensor, 0, matmul, gather, nullptr};
    fused = {};
    fused.size = sizeof fused;
    fused.launch_list = launch_list;
    backend = {sizeof backend,
               TENON_ABI_MAJOR,
               TENON_ABI_MINOR,
               s.flags,
               s.name,
               "tests",
               "1.2",
               &core,
               s.asynchronous ? &streams : nullptr,
               &memory,
               s.typed ? &tensor : nullptr,
               s.lists ? &fused : nullptr,
               nullptr,
               nullptr};
    if (s.spoil) s.spoil(&backend, &core, &streams);
    *out = &backend;
    return TENON_OK;
  }

  static void* address(TenonBuffer b) {
    return reinterpret_cast<void*>(settings().host_addressable ? b : ~b);
  }

 private:
  struct Stream {
    std::vector<std::function<void()>> work;
    size_t done = 0;
    bool failed = false;
  };
  struct Event {
    Stream* stream = nullptr;
    size_t position = 0;
  };
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex m;
    return m;
  }
  static std::map<uint64_t, Stream>& streams_map() {
    static std::map<uint64_t, Stream> m;
    return m;
  }
  static Event& event_of(TenonEvent e) {
    static std::map<uint64_t, Event> m;
    return m[e];
  }
  static void run_until(Stream& s, size_t position) {
    while (s.done < position) {
      const size_t next = s.done++;
      s.work[next]();
    }
  }
  static TenonStatus enqueue(TenonStream number, std::function<void(Stream&)> work,
                             TenonError* error) {
    if (counters().lost) return tenon_fail(error, TENON_DEVICE_LOST, "the fake is gone");
    std::lock_guard<std::recursive_mutex> lock(mutex());
    Stream& s = streams_map()[number];
    if (s.failed) return tenon_fail(error, TENON_INTERNAL, "a launch failed");
    s.work.push_back([&s, work] { work(s); });
    if (!settings().asynchronous) {
      run_until(s, s.work.size());
      s.work.clear();
      s.done = 0;
      if (s.failed) {
        s.failed = false;
        return tenon_fail(error, TENON_INTERNAL, "a launch failed");
      }
    }
    return TENON_OK;
  }

  static TenonStatus device_count(uint32_t* count, TenonError* error) noexcept {
    *count = settings().devices;
    return tenon_fail(error, settings().count_status, "%s", settings().no_device_reason);
  }
  static TenonStatus device_props(uint32_t, TenonDeviceProps* props, TenonError*) noexcept {
    const FakeSettings& s = settings();
    TenonDeviceProps mine{};
    mine.size = sizeof mine;
    mine.flags = s.host_addressable ? TENON_DEVICE_HOST_ADDRESSABLE : 0;
    mine.min_alignment = s.min_alignment;
    mine.max_operands = s.max_operands;
    mine.max_instrs = s.max_instrs;
    mine.max_scalars = s.max_scalars;
    mine.storage_dtypes = mine.compute_dtypes = ~1ull;
    memcpy(mine.opcodes, s.opcodes, sizeof mine.opcodes);
    tenon_write_struct(props, &mine, sizeof mine);
    return TENON_OK;
  }
  static TenonStatus device_open(uint32_t index, TenonDevice* device, TenonError*) noexcept {
    ++counters().opened;
    if (auto hook = counters().in_open.load()) hook();
    *device = index + 1;
    return TENON_OK;
  }
  static void device_close(TenonDevice) noexcept { ++counters().closed; }

  static TenonStatus mem_alloc(TenonDevice, uint64_t bytes, TenonBuffer* buffer,
                               TenonError* error) noexcept {
    if (auto hook = counters().in_alloc.load()) hook();
    const auto size = static_cast<int64_t>(bytes);
    if (counters().live_bytes + size > counters().limit) {
      return tenon_fail(error, TENON_OUT_OF_MEMORY, "the fake has no room for %lld bytes",
                        static_cast<long long>(bytes));
    }
    const size_t align = std::max<size_t>(64, settings().min_alignment);
    char* p = static_cast<char*>(aligned_alloc(align, (bytes + align - 1) / align * align));
    memset(p, 0xA5, std::min<uint64_t>(bytes, 1 << 20));
    ++counters().allocs;
    counters().live_bytes += size;
    std::lock_guard<std::recursive_mutex> lock(mutex());
    sizes()[p] = size;
    *buffer = settings().host_addressable ? reinterpret_cast<uint64_t>(p)
                                          : ~reinterpret_cast<uint64_t>(p);
    return TENON_OK;
  }
  // Never destroyed: it is how a leak checker finds memory whose handles are no addresses.
  static std::map<void*, int64_t>& sizes() {
    static auto* m = new std::map<void*, int64_t>();
    return *m;
  }
  static void mem_free(TenonDevice, TenonBuffer buffer) noexcept {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    ++counters().frees;
    counters().live_bytes -= sizes()[address(buffer)];
    sizes().erase(address(buffer));
    free(address(buffer));
  }
  static TenonStatus mem_info(TenonDevice, uint64_t* free_bytes, uint64_t* total,
                              TenonError*) noexcept {
    *total = 1 << 30;
    *free_bytes = 1 << 20;
    return TENON_OK;
  }

  static TenonStatus copy_h2d(TenonDevice, TenonStream s, TenonBuffer dst, uint64_t offset,
                              const void* src, uint64_t n, TenonError* error) noexcept {
    ++counters().copies;
    return enqueue(
        s, [=](Stream&) { memcpy(static_cast<char*>(address(dst)) + offset, src, n); }, error);
  }
  static TenonStatus copy_d2h(TenonDevice, TenonStream s, void* dst, TenonBuffer src,
                              uint64_t offset, uint64_t n, TenonError* error) noexcept {
    ++counters().copies;
    return enqueue(
        s, [=](Stream&) { memcpy(dst, static_cast<char*>(address(src)) + offset, n); }, error);
  }
  static TenonStatus copy_d2d(TenonDevice, TenonStream s, TenonBuffer dst, uint64_t to,
                              TenonBuffer src, uint64_t from, uint64_t n,
                              TenonError* error) noexcept {
    ++counters().copies;
    return enqueue(
        s,
        [=](Stream&) {
          memcpy(static_cast<char*>(address(dst)) + to, static_cast<char*>(address(src)) + from, n);
        },
        error);
  }

  static TenonStatus kernel_create(TenonDevice, const TenonKernelDesc* desc, TenonKernel* kernel,
                                   TenonError* error) noexcept {
    if (settings().refuse && settings().refuse(*desc))
      return tenon_fail(error, TENON_UNSUPPORTED, "the fake does not like it");
    ++counters().kernels;
    return tenon_interpreter_create(desc, kernel, error);
  }
  static void kernel_destroy(TenonDevice, TenonKernel kernel) noexcept {
    --counters().kernels;
    tenon_interpreter_destroy(kernel);
  }
  static bool take(std::atomic<int>& n) {
    int left = n.load();
    while (left > 0 && !n.compare_exchange_weak(left, left - 1)) {
    }
    return left > 0;
  }
  static TenonStatus kernel_launch(TenonDevice, TenonStream stream, TenonKernel kernel,
                                   const TenonLaunch* launch, TenonError* error) noexcept {
    if (take(counters().unsupported_launches))
      return tenon_fail(error, TENON_UNSUPPORTED, "not today");
    ++counters().launches;
    const bool fails = take(counters().failing_launches);
    std::vector<TenonOperand> operands(launch->operands, launch->operands + launch->n_operands);
    std::vector<uint64_t> scalars(launch->scalars, launch->scalars + launch->n_scalars);
    TenonLaunch copy = *launch;
    return enqueue(
        stream,
        [=](Stream& s) mutable {
          copy.operands = operands.data();
          copy.scalars = scalars.data();
          TenonError ignored{};
          if (fails || tenon_interpreter_launch(kernel, &copy, address, &ignored) != TENON_OK)
            s.failed = true;
        },
        error);
  }

  // Refused as a whole if the first launch is.
  static TenonStatus launch_list(TenonDevice device, TenonStream stream, TenonKernel kernel,
                                 const TenonLaunch* launches, uint32_t n,
                                 TenonError* error) noexcept {
    if (take(counters().unsupported_launches))
      return tenon_fail(error, TENON_UNSUPPORTED, "not today");
    ++counters().lists;
    for (uint32_t i = 0; i < n; ++i) {
      const TenonStatus status = kernel_launch(device, stream, kernel, &launches[i], error);
      if (status != TENON_OK) return status;
    }
    return TENON_OK;
  }

  // c = a @ b, rank 2, f32; needs a workspace of 128 bytes to be ready.
  static TenonStatus matmul(TenonDevice, TenonStream stream, const TenonMatmulArgs* args,
                            TenonCall* call, TenonError* error) noexcept {
    if (args->a.rank != 2 || args->a.dtype != TENON_F32)
      return tenon_fail(error, TENON_UNSUPPORTED, "only f32 of rank 2");
    if (call->flags & TENON_CALL_DRY_RUN) {
      ++counters().dry_runs;
      call->workspace_bytes = settings().host_addressable ? 0 : 128;
      return TENON_OK;
    }
    if (!settings().host_addressable && call->workspace_bytes < 128)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "no workspace");
    const TenonMatmulArgs a = *args;
    return enqueue(
        stream,
        [a](Stream&) {
          const auto at = [](const TenonTensor& t, int64_t i, int64_t j) {
            return reinterpret_cast<float*>(static_cast<char*>(address(t.buffer)) + t.offset) +
                   i * t.strides[0] + j * t.strides[1];
          };
          for (int64_t i = 0; i < a.c.sizes[0]; ++i) {
            for (int64_t j = 0; j < a.c.sizes[1]; ++j) {
              float sum = 0;
              for (int64_t k = 0; k < a.a.sizes[1]; ++k) sum += *at(a.a, i, k) * *at(a.b, k, j);
              *at(a.c, i, j) = sum;
            }
          }
        },
        error);
  }
  // Rows of rank 1, f32 by i64.
  static TenonStatus gather(TenonDevice, TenonStream stream, const TenonIndexArgs* args,
                            TenonCall* call, TenonError* error) noexcept {
    if (call->flags & TENON_CALL_DRY_RUN) return TENON_OK;
    const TenonIndexArgs a = *args;
    return enqueue(
        stream,
        [a](Stream&) {
          const auto start = [](const TenonTensor& t) {
            return static_cast<char*>(address(t.buffer)) + t.offset;
          };
          for (int64_t i = 0; i < a.index.sizes[0]; ++i) {
            int64_t j = reinterpret_cast<int64_t*>(start(a.index))[i * a.index.strides[0]];
            if (j < 0 || j >= a.src.sizes[0]) {
              const int64_t flag = i + 1;
              memcpy(static_cast<char*>(address(a.out_of_range)) + a.out_of_range_offset, &flag, 8);
              j = 0;
            }
            reinterpret_cast<float*>(start(a.dst))[i * a.dst.strides[0]] =
                reinterpret_cast<float*>(start(a.src))[j * a.src.strides[0]];
          }
        },
        error);
  }

  static TenonStatus stream_create(TenonDevice, int32_t, TenonStream* stream,
                                   TenonError*) noexcept {
    static std::atomic<uint64_t> next{1};
    *stream = next++;
    return TENON_OK;
  }
  static void stream_destroy(TenonDevice, TenonStream) noexcept {}
  static TenonStatus stream_sync(TenonDevice, TenonStream number, TenonError* error) noexcept {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    Stream& s = streams_map()[number];
    run_until(s, s.work.size());
    if (counters().lost) return tenon_fail(error, TENON_DEVICE_LOST, "the fake is gone");
    if (!s.failed) return TENON_OK;
    s.failed = false;
    return tenon_fail(error, TENON_INTERNAL, "a launch failed");
  }
  static TenonStatus stream_query(TenonDevice, TenonStream number, TenonError* error) noexcept {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    const Stream& s = streams_map()[number];
    if (s.failed) return tenon_fail(error, TENON_INTERNAL, "a launch failed");
    return s.done < s.work.size() ? TENON_NOT_READY : TENON_OK;
  }
  static TenonStatus event_create(TenonDevice, TenonEvent* event, TenonError*) noexcept {
    static std::atomic<uint64_t> next{1};
    *event = next++;
    return TENON_OK;
  }
  static void event_destroy(TenonDevice, TenonEvent) noexcept {}
  static TenonStatus event_record(TenonDevice, TenonStream number, TenonEvent event,
                                  TenonError*) noexcept {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    Stream& s = streams_map()[number];
    event_of(event) = {&s, s.work.size()};
    return TENON_OK;
  }
  static TenonStatus event_wait(TenonDevice, TenonStream number, TenonEvent event,
                                TenonError* error) noexcept {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    const Event e = event_of(event);  // as it is recorded now
    return enqueue(
        number, [e](Stream&) { run_until(*e.stream, e.position); }, error);
  }
  static TenonStatus event_sync(TenonDevice, TenonEvent event, TenonError* error) noexcept {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    const Event& e = event_of(event);
    run_until(*e.stream, e.position);
    return e.stream->failed ? tenon_fail(error, TENON_INTERNAL, "a launch failed") : TENON_OK;
  }
  static TenonStatus event_query(TenonDevice, TenonEvent event, TenonError*) noexcept {
    std::lock_guard<std::recursive_mutex> lock(mutex());
    const Event& e = event_of(event);
    return e.stream->done < e.position ? TENON_NOT_READY : TENON_OK;
  }
};

}  // namespace tenon::testing

#endif  // TENON_DEVICE_FAKE_BACKEND_H_
