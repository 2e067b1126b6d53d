// Proves that parallel_for covers its range once, cuts it the same way for any number of threads,
// nests, serves several callers at once and survives a fork.
#include "tenon/device/pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

namespace tenon {
namespace {

using Cut = std::multiset<std::pair<int64_t, int64_t>>;

struct Recorder {
  std::mutex mutex;
  Cut cut;
  static void piece(void* self, int64_t begin, int64_t end) {
    auto& r = *static_cast<Recorder*>(self);
    std::lock_guard<std::mutex> lock(r.mutex);
    r.cut.insert({begin, end});
  }
};

Cut cut_of(int64_t n, int64_t grain) {
  Recorder r;
  parallel_for(n, grain, Recorder::piece, &r);
  return r.cut;
}

TEST(ParallelFor, CoversTheRangeInPiecesOfTheGrainForAnyNumberOfThreads) {
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    for (int64_t n : {0, 1, 5, 64, 1000, 4097}) {
      for (int64_t grain : {1, 3, 64, 5000}) {
        Cut expected;
        for (int64_t begin = 0; begin < n; begin += grain)
          expected.insert({begin, std::min(n, begin + grain)});
        EXPECT_EQ(cut_of(n, grain), expected) << n << " by " << grain << " with " << threads;
      }
    }
  }
}

struct Sum {
  std::atomic<int64_t> total{0};
  static void add(void* self, int64_t begin, int64_t end) {
    int64_t sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += i;
    static_cast<Sum*>(self)->total += sum;
  }
};

TEST(ParallelFor, ManySmallJobsLoseNothing) {
  set_num_threads(4);
  for (int round = 0; round < 5000; ++round) {
    Sum sum;
    parallel_for(100, 7, Sum::add, &sum);
    ASSERT_EQ(sum.total, 4950);
  }
}

TEST(ParallelFor, WakesWorkersThatSleep) {
  set_num_threads(4);
  for (int round = 0; round < 20; ++round) {
    Sum sum;
    parallel_for(1000, 1, Sum::add, &sum);
    EXPECT_EQ(sum.total, 499500);
    usleep(500);  // longer than they spin
  }
}

TEST(ParallelFor, NestedCallsRunInline) {
  set_num_threads(4);
  static std::atomic<int64_t> total;
  total = 0;
  parallel_for(
      16, 1,
      [](void*, int64_t begin, int64_t) {
        const auto outer = std::this_thread::get_id();
        struct Inner {
          std::thread::id thread;
        } inner{outer};
        parallel_for(
            100, 1,
            [](void* self, int64_t b, int64_t e) {
              EXPECT_EQ(std::this_thread::get_id(), static_cast<Inner*>(self)->thread);
              total += e - b;
            },
            &inner);
        (void)begin;
      },
      nullptr);
  EXPECT_EQ(total, 1600);
}

TEST(ParallelFor, SeveralCallersAtOnce) {
  set_num_threads(3);
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([] {
      for (int round = 0; round < 2000; ++round) {
        Sum sum;
        parallel_for(200, 9, Sum::add, &sum);
        ASSERT_EQ(sum.total, 19900);
      }
    });
  }
  for (auto& c : callers) c.join();
}

#ifndef __SANITIZE_THREAD__  // which does not let a forked child start threads

TEST(ParallelFor, AForkedChildStartsItsOwnWorkers) {
  set_num_threads(4);
  Sum warm;
  parallel_for(1000, 1, Sum::add, &warm);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    for (int round = 0; round < 100; ++round) {
      Sum sum;
      parallel_for(1000, 1, Sum::add, &sum);
      if (sum.total != 499500) _exit(1);
    }
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ParallelFor, AForkWhileOthersWorkLeavesTheChildWorking) {
  set_num_threads(3);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) {
      Sum sum;
      parallel_for(500, 3, Sum::add, &sum);
    }
  });
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      Sum sum;
      parallel_for(1000, 1, Sum::add, &sum);
      _exit(sum.total == 499500 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  stop = true;
  busy.join();
}

#endif

TEST(NumThreads, IsWhatWasSet) {
  set_num_threads(5);
  EXPECT_EQ(num_threads(), 5);
  set_num_threads(0);
  EXPECT_EQ(num_threads(), 1);
}

}  // namespace
}  // namespace tenon
