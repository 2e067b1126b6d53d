#include "tenon/device/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "tenon/device/spin_lock.h"

namespace tenon {
namespace {

constexpr int kMaxThreads = 1024;
// A condition variable's wake costs 12 to 57 us, so a worker watches for about that long before it
// sleeps.
constexpr std::chrono::microseconds kSpin{40};

struct Job {
  void (*fn)(void*, int64_t, int64_t);
  void* arg;
  int64_t n, grain;
  int64_t pieces;
  int64_t step;  // pieces taken at a time
};

// Workers join a job through `gate`: its low half counts those inside, kOpen says that there is
// work. So a caller waits only for workers that did join, never for one that is still asleep.
constexpr uint32_t kOpen = 1u << 31;
constexpr uint32_t kInside = kOpen - 1;

// All state is constant-initialised and trivially destroyed: workers may outlive main().
constinit Job job{};
alignas(64) constinit std::atomic<uint32_t> gate{0};
alignas(64) constinit std::atomic<int64_t> pieces_left{0};  // not yet taken
alignas(64) constinit std::atomic<bool> busy{false};        // a caller owns `job`
alignas(64) constinit std::atomic<uint32_t> wakes{0};       // sleepers wait for it to change
constinit std::atomic<int> sleepers{0};
constinit std::atomic<int> wanted{0};   // threads, the caller included; 0: not yet known
constinit std::atomic<int> started{0};  // workers
constinit std::mutex start_mutex;
constinit thread_local bool inside_parallel_for = false;

// Processors this process may use: its affinity mask, bounded by the container's quota.
int usable_processors() {
  int count = 1;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  if (FILE* f = fopen("/sys/fs/cgroup/cpu.max", "re")) {
    long long quota = 0, period = 0;
    if (fscanf(f, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0) {
      count = std::min<long long>(count, std::max<long long>(1, (quota + period - 1) / period));
    }
    fclose(f);
  }
  return std::clamp(count, 1, kMaxThreads);
}

int wanted_threads() {
  int count = wanted.load(std::memory_order_relaxed);
  if (__builtin_expect(count > 0, 1)) return count;
  if (const char* text = getenv("TENON_NUM_THREADS")) count = atoi(text);
  count = count > 0 ? std::min(count, kMaxThreads) : usable_processors();
  int unknown = 0;
  return wanted.compare_exchange_strong(unknown, count) ? count : unknown;
}

void run_piece(const Job& j, int64_t piece) {
  const int64_t begin = piece * j.grain;
  j.fn(j.arg, begin, std::min(j.n, begin + j.grain));
}

void take_pieces() {
  const Job& j = job;
  for (;;) {
    const int64_t left = pieces_left.fetch_sub(j.step, std::memory_order_relaxed);
    if (left <= 0) return;
    const int64_t first = j.pieces - left;
    const int64_t last = first + std::min(left, j.step);
    for (int64_t piece = first; piece < last; ++piece) run_piece(j, piece);
  }
}

// Joins the open job, if there is one, and helps until no piece is left.
bool help() {
  uint32_t seen = gate.load(std::memory_order_relaxed);
  do {
    // Who joins when all is taken only keeps the caller waiting.
    if (!(seen & kOpen) || pieces_left.load(std::memory_order_relaxed) <= 0) return false;
  } while (!gate.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel));
  take_pieces();
  // The caller sleeps on `gate` only after it has closed it.
  if (gate.fetch_sub(1, std::memory_order_acq_rel) == 1) gate.notify_one();
  return true;
}

void* worker(void* argument) {
  const int index = static_cast<int>(reinterpret_cast<intptr_t>(argument));
  inside_parallel_for = true;  // what a piece calls runs inline
  for (;;) {
    // More workers than wanted (set_num_threads went down) sleep through.
    const auto may_help = [&] { return index < wanted.load(std::memory_order_relaxed); };
    const auto limit = std::chrono::steady_clock::now() + kSpin;
    bool helped = false;
    do {
      for (int i = 0; i < 64 && !helped; ++i) {
        helped = may_help() && help();
        cpu_pause();
      }
    } while (!helped && std::chrono::steady_clock::now() < limit);
    if (helped) continue;
    const uint32_t seen = wakes.load();
    sleepers.fetch_add(1);
    // Either this sees the gate open, or the caller, who looks after opening it, sees the sleeper.
    if (!((gate.load() & kOpen) && may_help())) wakes.wait(seen);
    sleepers.fetch_sub(1);
  }
  return nullptr;
}

// The workers do not come along into a child, nor does the thread whose job they may have shared.
void install_fork_handlers() {
  static const int installed =
      pthread_atfork([] { start_mutex.lock(); }, [] { start_mutex.unlock(); },
                     [] {
                       started.store(0);
                       sleepers.store(0);
                       gate.store(0);
                       busy.store(false);
                       start_mutex.unlock();
                     });
  (void)installed;
}

void start_workers(int count) {
  if (started.load(std::memory_order_acquire) >= count) return;
  install_fork_handlers();
  std::lock_guard<std::mutex> lock(start_mutex);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, before;  // signals are the program's threads' business
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = started.load(std::memory_order_relaxed); i < count; ++i) {
    pthread_t thread;
    const auto index = reinterpret_cast<void*>(static_cast<intptr_t>(i + 1));
    if (pthread_create(&thread, &attributes, worker, index) != 0)
      break;  // fewer helpers; the work gets done
    pthread_setname_np(thread, "tenon-pool");
    started.store(i + 1, std::memory_order_release);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
}

void wake_sleepers(int64_t helpers) {
  const int asleep = sleepers.load();
  if (asleep == 0) return;
  wakes.fetch_add(1);
  if (helpers >= asleep) {
    wakes.notify_all();
  } else {
    for (int64_t i = 0; i < helpers; ++i) wakes.notify_one();
  }
}

void wait_for_helpers() {
  uint32_t left = gate.fetch_and(kInside, std::memory_order_acq_rel) & kInside;
  for (int tries = 0; left != 0; ++tries) {
    if (tries < 4096) {
      cpu_pause();
    } else {
      gate.wait(left, std::memory_order_acquire);
    }
    left = gate.load(std::memory_order_acquire);
  }
}

}  // namespace

int num_threads() { return wanted_threads(); }

void set_num_threads(int count) { wanted.store(std::clamp(count, 1, kMaxThreads)); }

void parallel_for(int64_t n, int64_t grain, void (*fn)(void* arg, int64_t begin, int64_t end),
                  void* arg) noexcept {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  Job work{fn, arg, n, grain, (n - 1) / grain + 1, 1};
  const int threads = n <= grain || inside_parallel_for ? 1 : wanted_threads();
  // A second caller does not queue behind the first: it has a thread of its own.
  if (threads == 1 || busy.exchange(true, std::memory_order_acquire)) {
    for (int64_t piece = 0; piece < work.pieces; ++piece) run_piece(work, piece);
    return;
  }
  start_workers(threads - 1);
  work.step = std::max<int64_t>(1, work.pieces / (int64_t{threads} * 8));
  job = work;
  pieces_left.store(work.pieces, std::memory_order_relaxed);
  gate.store(kOpen);
  wake_sleepers(std::min<int64_t>(threads, work.pieces) - 1);
  inside_parallel_for = true;
  take_pieces();
  inside_parallel_for = false;
  wait_for_helpers();
  busy.store(false, std::memory_order_release);
}

}  // namespace tenon
